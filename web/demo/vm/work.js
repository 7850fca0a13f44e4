// Work that takes time: one at a time, with how far it has come and a way to stop it.
import { hideError, showError } from "../page/alert.js";
import { byId } from "../page/dom.js";
import { ProgressBar } from "../page/progress.js";

/** @typedef {import("../../client/progress.js").ProgressState} ProgressState */
/** @typedef {{signal: AbortSignal, tell: (state: ProgressState) => void}} Tools */

const bar = new ProgressBar();
/** @type {AbortController | undefined} */ let under;
/** Fulfils when it has ended. @type {Promise<unknown> | undefined} */ let ended;
/** Told when work begins and ends. */ let changed = () => {};

/** @param {() => void} onChange */
export function startWork(onChange) {
  changed = onChange;
  byId("work", HTMLElement).append(bar.element);
}

/** Whether something is under way. */
export function isWorking() {
  return Boolean(under);
}

/** Gives up what is under way, and waits for its end. */
export async function stopWork() {
  under?.abort(new DOMException("Stopped.", "AbortError"));
  await ended;
}

/**
 * Keeps other work away from something that is shown elsewhere.
 * @param {() => Promise<void>} task
 */
export async function alone(task) {
  do await stopWork(); while (under); // what has ended may have begun more
  under = new AbortController();
  changed();
  const done = task().finally(finish);
  ended = done.catch(() => {});
  await done;
}

function finish() {
  under = undefined;
  changed();
}

/**
 * Does one thing, unless another is under way. What fails is shown.
 * @param {string} doing shown while it lasts
 * @param {string} failed shown when it fails
 * @param {(tools: Tools) => Promise<void>} task
 * @returns {Promise<boolean>} whether it went well
 */
export async function work(doing, failed, task) {
  if (under) return false;
  const mine = under = new AbortController();
  hideError();
  changed();
  const done = bar.run(doing, (stopped, tell) => {
    stopped.addEventListener("abort", () => mine.abort(stopped.reason));
    return task({ signal: mine.signal, tell });
  }).then(() => true, (error) => {
    if (error?.name !== "AbortError") showError(failed, error);
    return false;
  });
  ended = done.finally(finish);
  await ended;
  return done;
}
