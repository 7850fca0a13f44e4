// Errors as numbers of C. Emscripten has numbers of its own, those of WASI.

/** By name: the number of Linux, and that of Emscripten. */
const numbers = /** @type {const} */ ({
  EPERM: [1, 63], EIO: [5, 29], EBADF: [9, 8], ENOMEM: [12, 48], EINVAL: [22, 28], ENOSPC: [28, 51], EROFS: [30, 69],
  EOVERFLOW: [75, 61], ENOTSUP: [95, 138], ESHUTDOWN: [108, 140], ETIMEDOUT: [110, 73], ENODEV: [19, 43],
});

/** @typedef {keyof typeof numbers} Errno */

/** Codes that are no name of an errno. What is missing is EIO. @type {Record<string, Errno>} */
const names = { READ_ONLY: "EROFS", OUT_OF_RANGE: "EINVAL", INVALID_ARGUMENT: "EINVAL", CLOSED: "EBADF", TIMEOUT: "ETIMEDOUT" };

/** @param {any} error @returns {Errno} */
function nameOf(error) {
  const code = String(error?.code);
  return Object.hasOwn(numbers, code) ? /** @type {Errno} */ (code) : (Object.hasOwn(names, code) ? names[code] : "EIO");
}

/**
 * What a function of C answers where ours throw.
 * @param {unknown} error an NbdError; anything else is EIO
 * @returns {number} the errno of Linux, negative: -5 for EIO
 */
export function errnoOf(error) {
  return -numbers[nameOf(error)][0];
}

/** @param {Errno} name @returns {number} that of Emscripten, positive */
export const emscriptenErrno = (name) => numbers[name][1];

/** @param {unknown} error @returns {number} that of Emscripten, positive */
export const emscriptenErrnoOf = (error) => emscriptenErrno(nameOf(error));
