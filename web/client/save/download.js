import { publish } from "../range/holder.js";
import { attachment } from "../range/filename.js";
import { register } from "../range/register.js";

/** @typedef {import("./target.js").Target} Target */
/** @typedef {import("../range/answer.js").Answer} Answer */

/** How long the browser has to ask for the file, in milliseconds. */
const askLimit = 10_000;
/**
 * How long a frame stays after its file was taken, in milliseconds: a small one
 * is taken before Firefox has begun with the download, which would end with it.
 */
const frameLimit = 60_000;

/**
 * Has the browser download what is written, by a frame that is not seen. One
 * that ends too early, or with an error, is a failed download to it.
 * @param {string} name
 * @param {number | undefined} total in bytes, if it is known
 * @param {import("../range/register.js").WorkerOptions} where
 * @returns {Promise<Target | undefined>} undefined where there is no Service
 *   Worker, or the page allows no frame
 */
export async function startDownload(name, total, where) {
  const registration = await register(where, { control: false }).catch(otherwise);
  if (!registration) return undefined;
  const { readable, writable } = new TransformStream();
  const answer = once(name, total, readable);
  const published = await publish(registration, answer.give).catch(otherwise);
  if (!published) return undefined;
  const frame = load(`${registration.scope.replace(/\/?$/, "/")}${published.part}/${encodeURIComponent(name)}`);
  const end = (/** @type {number} */ after) => {
    published.withdraw();
    if (after) setTimeout(() => frame.remove(), after);
    else frame.remove();
  };
  if (await answer.asked(askLimit)) return target(writable.getWriter(), answer.taken, end);
  end(0);
  return undefined;
}

/** Only what the caller said wrong is an error: there are other ways. @param {any} error */
function otherwise(error) {
  if (error?.code === "INVALID_ARGUMENT") throw error;
  return undefined;
}

/**
 * An answer that is given once.
 * @param {string} name
 * @param {number | undefined} total
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} readable
 */
function once(name, total, readable) {
  /** @type {PromiseWithResolvers<boolean>} */ const asked = later();
  /** @type {PromiseWithResolvers<void>} */ const taken = later();
  taken.promise.catch(() => {}); // write tells too
  const headers = { "Content-Disposition": attachment(name), ...(total === undefined ? {} : { "Content-Length": `${total}` }) };
  return {
    /** Fulfils when the browser has taken everything. */
    taken: taken.promise,
    /** @type {import("../range/link.js").Answerer} */
    give: ({ method }, signal) => {
      if (method !== "GET" || readable.locked) return { status: 410, headers: {} };
      asked.resolve(true);
      if (total === 0) taken.resolve(); // nobody asks for nothing
      const reader = readable.getReader();
      signal.addEventListener("abort", () => {
        const given = new DOMException("The download was cancelled in the browser.", "AbortError");
        taken.reject(given);
        reader.cancel(given).catch(() => {}); // it has ended
      });
      return { status: 200, headers, length: total, body: chunksOf(reader, signal, taken.resolve, total) };
    },
    /** @param {number} limit in milliseconds */
    asked: (limit) => {
      const timer = setTimeout(() => asked.resolve(false), limit);
      return asked.promise.finally(() => clearTimeout(timer));
    },
  };
}

/** Promise.withResolvers is missing in browsers that are otherwise fit. @returns {PromiseWithResolvers<any>} */
function later() {
  let resolve, reject;
  const promise = new Promise((...both) => { [resolve, reject] = both; });
  return /** @type {any} */ ({ promise, resolve, reject });
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>} reader
 * @param {AbortSignal} signal what was given up must not end as if it were whole
 * @param {() => void} end called when all was taken
 * @param {number} [total]
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void>}
 */
async function* chunksOf(reader, signal, end, total) {
  let count = 0;
  for (let part; !(part = await reader.read()).done;) {
    count += part.value.length;
    if (count === total) end();
    yield part.value;
  }
  signal.throwIfAborted();
  end();
}

/** @param {string} url */
function load(url) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = url;
  document.body.append(frame);
  return frame;
}

/**
 * @param {WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>} writer
 * @param {Promise<void>} taken
 * @param {(after: number) => void} end takes the frame away, after so many milliseconds
 * @returns {Target}
 */
function target(writer, taken, end) {
  writer.closed.catch(() => {}); // write tells
  return {
    write: (bytes) => writer.write(bytes),
    async close() {
      await writer.close().then(() => taken).catch((error) => {
        end(0);
        throw error;
      });
      end(frameLimit);
    },
    abort: (why) => {
      end(0); // else a browser that takes nothing just now would hold it up
      return writer.abort(why);
    },
  };
}
