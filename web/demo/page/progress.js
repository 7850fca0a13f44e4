// Work that takes long: how far it is, how fast, how long still, and its end.
import { button, element } from "./dom.js";
import { duration, humanSize } from "./text.js";

/** @typedef {Pick<import("../../client/progress.js").ProgressState, "done" | "total"> & Partial<import("../../client/progress.js").ProgressState>} Progress what is known of it */

// Milliseconds between two sentences for screen readers.
const SPOKEN_EVERY = 10_000;

/**
 * A bar with words and a button "Stop", for one piece of work after the other.
 */
export class ProgressBar {
  element = element("div", "", "progress");
  #bar = element("progress");
  #label = element("p", "", "progress-label");
  #words = element("p", "", "hint figures");
  #spoken = element("p", "", "visually-hidden");
  #stop = button("Stop", () => this.#controller.abort(new DOMException("stopped", "AbortError")));
  #controller = new AbortController();
  #spokenAt = 0;

  constructor() {
    this.#spoken.role = "status";
    const line = element("div", "", "progress-line");
    line.append(this.#bar, this.#stop);
    this.element.append(this.#label, line, this.#words, this.#spoken);
    this.element.hidden = true;
  }

  /**
   * Shows itself while the work lasts.
   * @template T
   * @param {string} label such as "Hashing vda"
   * @param {(signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<T>} work
   *   the signal is aborted by the button; then its rejection has the name AbortError
   * @returns {Promise<T>}
   */
  async run(label, work) {
    this.#controller.abort();
    const mine = this.#controller = new AbortController();
    this.#begin(label);
    try {
      return await work(mine.signal, (progress) => { if (mine === this.#controller) this.show(progress); });
    } finally {
      if (mine === this.#controller) this.element.hidden = true;
    }
  }

  /** @param {string} label */
  #begin(label) {
    this.element.hidden = false;
    this.#label.textContent = label;
    this.#bar.setAttribute("aria-label", label);
    this.#bar.removeAttribute("value");
    this.#words.textContent = "";
    this.#spokenAt = performance.now();
  }

  /** @param {Progress} progress */
  show(progress) {
    const { done, total } = progress;
    if (total) {
      this.#bar.max = total;
      this.#bar.value = done;
    }
    this.#words.textContent = progressWords(progress);
    if (performance.now() - this.#spokenAt < SPOKEN_EVERY) return;
    this.#spokenAt = performance.now();
    this.#spoken.textContent = this.#words.textContent;
  }
}

/**
 * Such as "3.2 MiB of 10 MiB, 1.1 MiB/s, 6 seconds left".
 * @param {Progress} progress
 */
export function progressWords({ done, total, rate, left, errors }) {
  const parts = [total ? `${humanSize(done)} of ${humanSize(total)}` : humanSize(done)];
  if (rate !== undefined) parts.push(`${humanSize(Math.round(rate))}/s`);
  if (left !== undefined && done !== total) parts.push(`${duration(left)} left`);
  if (errors) parts.push(errors === 1 ? "1 error" : `${errors} errors`);
  return parts.join(", ");
}
