/**
 * How long the server may take to do what it was sent, when nobody is there to
 * hear of it any more, in milliseconds.
 */
const landingTime = 10_000;
/** How long nothing changes until that is noted, in milliseconds. */
const restPeriod = 1000;

/**
 * Notes beside lines in a file that changes of the device are under way. When
 * the page ends then, the server may do them after the next page has read what
 * was there before: so that one keeps nothing of what it reads at first. The
 * same goes for a while after a change that failed.
 */
export class Unsettled {
  #note;
  #landed = 0;
  #underWay = 0;
  /** Of what the file has. @type {Promise<void> | undefined} */ #noted;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /**
   * @param {(unsettled: boolean) => Promise<void>} note
   * @param {boolean} found what was noted
   */
  constructor(note, found) {
    this.#note = note;
    if (found) this.#landed = Date.now() + landingTime;
    if (found) this.#noted = Promise.resolve();
  }

  /** Whether what is read from now on may still be changed unseen. */
  check() {
    const doubtful = Date.now() < this.#landed;
    this.#settle();
    return doubtful;
  }

  /** Before a change is sent. @returns {Promise<void>} */
  begin() {
    this.#underWay++;
    clearTimeout(this.#timer);
    this.#noted ??= this.#note(true);
    return this.#noted;
  }

  /** @param {boolean} done or failed, when it may be done yet */
  end(done) {
    if (!done) this.#landed = Date.now() + landingTime;
    if (--this.#underWay === 0) this.#timer = setTimeout(() => this.#settle(), restPeriod);
  }

  /** Changes that are under way stay noted. */
  async close() {
    clearTimeout(this.#timer);
    await this.#settle();
  }

  async #settle() {
    if (!this.#noted || this.#underWay > 0 || Date.now() < this.#landed) return;
    this.#noted = undefined;
    await this.#note(false).catch(() => {}); // the next page is more careful than need be
  }
}
