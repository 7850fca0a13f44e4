// Carries a device to whoever takes it, and knows at any time how far it came.
import { openScope, unlessAborted } from "../signals.js";
import { pieces } from "./pieces.js";

/** How often a state is told, in milliseconds. */
const period = 5000;
/** How long what is under way may take to end when the work stops, in milliseconds. */
const stopLimit = 6000;

/** @typedef {import("./pieces.js").Piece} Piece */

/**
 * Where pieces go. They come in order, and several may be under way.
 * @template State
 * @typedef {object} Taker
 * @property {number} ahead pieces that it has under way at most
 * @property {number} longest bytes of one stretch of zeros at most
 * @property {(piece: Piece, signal: AbortSignal) => Promise<unknown>} take
 * @property {(position: number) => State | Promise<State>} state what it takes to go
 *   on from there
 * @property {() => Promise<unknown>} [save] makes durable what it took. If it
 *   fails, what it took since the last time counts as lost
 * @property {(reason: unknown) => void} [abandon] what is under way does not end,
 *   and leaves no state; without it the state is told all the same
 */

/**
 * @template State
 * @typedef {object} Job
 * @property {import("../device.js").BlockDevice} device
 * @property {Taker<State>} taker
 * @property {number} from
 * @property {boolean} skipHoles
 * @property {import("../progress.js").Progress} progress
 * @property {(state: State) => void} [onState]
 * @property {AbortSignal} [signal]
 */

/**
 * @template State
 * @param {Job<State>} job
 * @returns {Promise<void>} rejects with what failed first, or the signal's
 *   reason, after the last state was told
 */
export async function carry(job) {
  const { scope, end } = openScope(job.signal);
  const flow = new Flow(job.taker.ahead, job.from, job.progress);
  try {
    await unlessAborted(run(job, flow, scope), scope);
  } catch (error) {
    await stop(job, flow, error);
    throw error;
  } finally {
    end();
  }
}

/**
 * @template State
 * @param {Job<State>} job
 * @param {Flow} flow
 * @param {AbortSignal} signal
 */
async function run({ device, taker, from, skipHoles, onState }, flow, signal) {
  let told = performance.now();
  for await (const piece of pieces(device, { from, skipHoles, longest: taker.longest }, signal)) {
    signal.throwIfAborted(); // of what is begun after an abort, stop would not know
    await flow.add(piece, taker.take(piece, signal));
    signal.throwIfAborted();
    if (!onState || performance.now() - told < period) continue;
    await flow.drain();
    await flow.save(taker.save);
    signal.throwIfAborted();
    const state = await taker.state(flow.position);
    signal.throwIfAborted(); // stop has told a later one
    onState(state);
    told = performance.now();
  }
  await flow.drain();
}

/**
 * Lets what is under way end, and tells where that was.
 * @template State
 * @param {Job<State>} job
 * @param {Flow} flow
 * @param {unknown} error
 */
async function stop({ taker, onState }, flow, error) {
  if (!await within(stopLimit, flow.settle()) && taker.abandon) return taker.abandon(error);
  if (!onState) return;
  try {
    onState(await taker.state(flow.position));
  } catch {
    // the error that stopped it counts for more
  }
}

/** @param {number} limit in milliseconds @param {Promise<unknown>} work that does not reject */
async function within(limit, work) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, limit, false); });
  const done = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return done;
}

/** Pieces that are under way, bounded, and how far all before is done. */
class Flow {
  #limit;
  #progress;
  #saved;
  /** @type {{piece: Piece, work: Promise<unknown>}[]} */ #underWay = [];

  /**
   * @param {number} limit
   * @param {number} position
   * @param {import("../progress.js").Progress} progress
   */
  constructor(limit, position, progress) {
    this.#limit = limit;
    this.#progress = progress;
    /** All before it is done. */
    this.position = position;
    this.#saved = position;
  }

  /** @param {Piece} piece @param {Promise<unknown>} work on it; waits until there is room for another */
  async add(piece, work) {
    work.catch(() => {}); // told when it is its turn
    this.#underWay.push({ piece, work });
    while (this.#underWay.length >= this.#limit) this.#count(await this.#first());
  }

  async drain() {
    while (this.#underWay.length) this.#count(await this.#first());
  }

  /** @param {(() => Promise<unknown>) | undefined} save */
  async save(save) {
    try {
      await save?.();
    } catch (error) {
      this.position = this.#saved;
      throw error;
    }
    this.#saved = this.position;
  }

  /**
   * Waits for all that is under way, however it ends. Nobody is told of it any
   * more: what a listener throws must not keep the position back.
   */
  async settle() {
    try {
      while (this.#underWay.length) await this.#first();
    } catch {
      // what came before the failure counts
    }
    await Promise.allSettled(this.#underWay.map(({ work }) => work));
  }

  /** @returns {Promise<Piece | undefined>} what is done now */
  async #first() {
    const [first] = this.#underWay;
    const { piece, work } = first;
    await work;
    if (this.#underWay[0] !== first) return; // after an abort two wait for it
    this.#underWay.shift();
    this.position = piece.offset + piece.length;
    return piece;
  }

  /** @param {Piece} [piece] */
  #count(piece) {
    if (piece?.bytes) this.#progress.add(piece.length);
    else if (piece) this.#progress.skip(piece.length);
  }
}
