import { callRules, checkRange } from "./checks.js";
import { Device } from "./device.js";
import { NbdError } from "./errors.js";
import { guard } from "./lifecycle.js";
import { check, isMilliseconds } from "./options.js";
import { Stripes } from "./stripes.js";

/** How long check() waits for an answer by default, in milliseconds. */
const checkLimit = 10_000;
const checkRules = { ...callRules, timeout: isMilliseconds };

/** @typedef {import("./device.js").Bytes} Bytes */
/** @typedef {import("./facts.js").DiskFacts} DiskFacts */

/**
 * A remote disk: a device over one connection or several. Beside what every
 * device rejects with, its operations reject with what the NBD server answers.
 *
 * With connections that are made again, an operation under way waits for that.
 */
export class Disk extends Device {
  #connections;
  #stripes;
  #pulse;
  #events;
  #guard;

  /**
   * For open(), which is how to get one.
   * @param {import("./connection.js").Connection[]} connections of the same export
   * @param {string} url of the bridge
   * @param {import("./pulse.js").Pulse} pulse
   * @param {import("./events.js").Events<import("./events.js").DiskEvents>} events
   */
  constructor(connections, url, pulse, events) {
    const stripes = new Stripes(connections);
    super({ ...driverOf(connections, stripes, identityOf(connections[0].facts, url)), ...stripes.driver() });
    this.#connections = connections;
    this.#stripes = stripes;
    this.#pulse = pulse;
    this.#events = events;
    this.#guard = guard({ flush: () => stripes.rescue(), check: () => this.check() });
    for (const c of connections) c.onRisk = () => this.#guard.risk(stripes.atRisk);
    this.closed.then((error) => this.#onClosed(error));
  }

  get #facts() { return this.#connections[0].facts; }
  /** Name of the export, as the server tells it. */
  get exportName() { return this.#facts.exportName; }
  /** What the server says of the export, for people; may be empty. */
  get description() { return this.#facts.description; }
  get features() { return this.#facts.features; }
  /** The TLS session, the latest one; null with tls.mode "off", and with "prefer" where TLS was refused. */
  get tls() { return this.#facts.tls; }
  /** How many connections there are: 1 where the export does not allow several. */
  get connections() { return this.#connections.length; }

  /**
   * Asks the server to have a range at hand for a read to come.
   * @param {Bytes} offset
   * @param {Bytes} length
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<void>} rejects with ENOTSUP unless features.cache
   */
  async cache(offset, length, options = {}) {
    const { signal } = check(options, callRules);
    const [from, count] = checkRange(offset, length, this.size, titleOf(this.#facts));
    await this.run(signal, () => this.#stripes.cache(from, count, signal));
  }

  /**
   * Asks the server for something small, over every connection. One that does
   * not answer in time is given up, and made again where the disk reconnects.
   * @param {object} [options]
   * @param {number} [options.timeout] in milliseconds; default 10 seconds
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<boolean>} whether all have answered in time
   */
  async check(options = {}) {
    const { signal, timeout = checkLimit } = check(options, checkRules);
    return this.run(signal, () => this.#stripes.check(timeout, signal));
  }

  /** @returns {import("./stats.js").Stats} since it was opened */
  stats() {
    return this.#pulse.stats();
  }

  /**
   * Has a function called with the detail of each event of a name. What it
   * throws is reported like any uncaught error, and does the disk no harm.
   * @template {import("./events.js").EventName} Name
   * @param {Name} type
   * @param {(detail: import("./events.js").DiskEvents[Name]) => void} listener
   * @param {{signal?: AbortSignal}} [options] an abort takes the listener away
   */
  on(type, listener, options = {}) {
    this.#events.on(type, listener, options);
  }

  /** @param {NbdError | undefined} error */
  #onClosed(error) {
    this.#guard.end();
    this.#pulse.end();
    this.#events.emit("closed", { error });
    this.#events.end();
  }
}

/** @param {DiskFacts} facts */
function titleOf({ exportName }) {
  return `disk "${exportName}"`;
}

/**
 * Names what is behind a disk; the query of the URL may hold a secret.
 * @param {DiskFacts} facts
 * @param {string} url
 */
function identityOf({ exportName, size, tls }, url) {
  return [url.replace(/[?].*/s, ""), JSON.stringify(exportName), size, tls?.peer.pin ?? "no key"].join(" ");
}

/**
 * The life of the connections: they end together, with the first cause. After
 * close() that is what acknowledged writes were lost by, if they were.
 * @param {import("./connection.js").Connection[]} connections
 * @param {Stripes} stripes
 * @param {string} identity
 */
function driverOf(connections, stripes, identity) {
  const { facts } = connections[0];
  const title = titleOf(facts);
  const closing = new NbdError("CLOSED", `The ${title} was closed. Open it again to go on.`);
  let ending = false;
  const part = async () => {
    const losses = await Promise.all(connections.map((c) => c.close(closing)));
    return stripes.loss ?? losses.find(Boolean);
  };
  const ended = Promise.race(connections.map((c) => c.closed.then((error) => ({ c, error }))));
  return {
    size: facts.size, blockSize: facts.blockSize, identity, title,
    closed: ended.then(({ c, error }) => {
      if (ending) return Promise.all(connections.map((c) => c.closed)).then(part);
      if (!error) return undefined;
      c.close(error); // its worker answers what is pending before it goes
      for (const other of connections) if (other !== c) other.terminate(error);
      return error;
    }),
    closing() {
      ending = true;
      for (const c of connections) if (c.isDown) c.close(closing);
    },
    close: part,
  };
}
