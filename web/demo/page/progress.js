// Work that takes long: how far it is, how fast, how long still, and its end.
import { Progress } from "../../client/progress.js";
import { button, element } from "./dom.js";
import { duration, humanSize, rate as perSecond } from "./text.js";

/**
 * How far work is, as the package tells: in bytes, with or without its rate.
 * @typedef {{done: number, total?: number} & Partial<import("../../client/progress.js").ProgressState>} State
 */

// Milliseconds between two sentences for screen readers.
const SPOKEN_EVERY = 10_000;
// Milliseconds without anything new, after which that is said.
const SILENCE = 5000;

/**
 * A bar with words and a button "Stop", for one piece of work after the other.
 */
export class ProgressBar {
  element = element("div", "", "progress");
  #box = element("div", "", "progress-box");
  #bar = element("progress");
  #label = element("p", "", "progress-label");
  #words = element("p", "", "hint figures");
  #spoken = element("p", "", "visually-hidden");
  #stop = button("Stop", () => this.#controller.abort(new DOMException("stopped", "AbortError")));
  #controller = new AbortController();
  #meter = new Progress(0);
  #counted = 0;
  #told = "";
  #toldAt = 0;
  #spokenAt = 0;

  constructor() {
    this.#spoken.role = "status";
    const line = element("div", "", "progress-line");
    line.append(this.#bar, this.#stop);
    this.#box.append(this.#label, line, this.#words);
    this.#box.hidden = true;
    this.element.append(this.#box, this.#spoken);
  }

  /**
   * Shows itself while the work lasts. Work before it that still lasts is stopped.
   * @template T
   * @param {string} label such as "Hashing vda"
   * @param {(signal: AbortSignal, onProgress: (state: State) => void) => Promise<T>} work
   *   the signal is aborted by the button; then its rejection has the name AbortError
   * @returns {Promise<T>}
   */
  async run(label, work) {
    this.#controller.abort(new DOMException("stopped", "AbortError"));
    const mine = this.#controller = new AbortController();
    const before = document.activeElement;
    this.#begin(label);
    const clock = setInterval(() => { if (mine === this.#controller) this.#tell(); }, 1000);
    try {
      const made = await work(mine.signal, (state) => { if (mine === this.#controller) this.show(state); });
      if (mine === this.#controller) this.#spoken.textContent = `${label}: done.`;
      return made;
    } finally {
      clearInterval(clock);
      if (mine === this.#controller) this.#end(before);
    }
  }

  /** @param {string} label */
  #begin(label) {
    this.#box.hidden = false;
    this.#label.textContent = label;
    this.#bar.setAttribute("aria-label", label);
    this.#bar.removeAttribute("value");
    this.#words.textContent = this.#spoken.textContent = this.#told = "";
    this.#toldAt = this.#spokenAt = performance.now();
    this.#meter = new Progress(0);
    this.#counted = 0;
  }

  /**
   * The focus goes back from the button to where it was, once that is in use again.
   * @param {Element | null} before
   */
  #end(before) {
    const focus = this.element.contains(document.activeElement);
    this.#box.hidden = true;
    if (focus && before instanceof HTMLElement) setTimeout(() => before.focus());
  }

  /** @param {State} state */
  show(state) {
    const { done, total } = state;
    if (total) {
      this.#bar.max = total;
      this.#bar.value = done;
    }
    this.#told = progressWords("rate" in state ? state : this.#measured(state));
    this.#toldAt = performance.now();
    this.#tell();
  }

  /** Finds the rate where the work does not tell it. @param {State} state @returns {State} */
  #measured(state) {
    if (this.#counted === 0) this.#meter = new Progress(state.total ?? 0, undefined, { done: this.#counted = state.done });
    this.#meter.add(Math.max(0, state.done - this.#counted));
    this.#counted = state.done;
    const { rate, left } = this.#meter.state();
    return { ...state, rate, ...(state.total !== undefined && { left }) };
  }

  #tell() {
    const now = performance.now();
    const silent = now - this.#toldAt > SILENCE ? `nothing new for ${duration(now - this.#toldAt)}` : "";
    this.#words.textContent = [this.#told, silent].filter(Boolean).join(", ");
    if (now - this.#spokenAt < SPOKEN_EVERY) return;
    this.#spokenAt = now;
    this.#spoken.textContent = this.#words.textContent;
  }
}

/**
 * Such as "3.2 MiB of 10 MiB, 1.1 MiB/s, 6 seconds left".
 * @param {State} state
 */
export function progressWords({ done, total, rate, left, errors }) {
  const parts = [total ? `${humanSize(done)} of ${humanSize(total)}` : humanSize(done)];
  if (rate !== undefined) parts.push(perSecond(rate));
  if (left !== undefined && done !== total) parts.push(`${duration(left)} left`);
  if (errors) parts.push(errors === 1 ? "1 error" : `${errors} errors`);
  return parts.join(", ");
}
