// Calls between two threads over a MessagePort. They are begun in their order.
import { NbdError, describe } from "../errors.js";

/**
 * To the side that answers; without an id nobody waits:
 * @typedef {{id?: number, method: string, args: any[]}} Call
 *
 * From it:
 * @typedef {{id: number, result: any} | {id: number, error: import("../errors.js").Failure}} Answer
 */

/** @typedef {Record<string, (...args: any[]) => any>} Methods */

/**
 * What is called over a port. Buffers of bytes go over, and are not copied.
 * @param {MessagePort} port
 */
export function ask(port) {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: any) => void}>} */ const pending = new Map();
  let last = 0;
  const post = (/** @type {Call} */ call) => port.postMessage(call, buffersOf(call.args));
  port.onmessage = (/** @type {MessageEvent<Answer>} */ { data }) => {
    const waiting = pending.get(data.id);
    pending.delete(data.id);
    if ("error" in data) waiting?.reject(NbdError.from(data.error));
    else waiting?.resolve(data.result);
  };
  return {
    /** @param {string} method @param {any[]} args @returns {Promise<any>} rejects with an NbdError */
    call(method, args) {
      const id = ++last;
      return new Promise((resolve, reject) => {
        pending.set(id, { resolve, reject });
        post({ id, method, args });
      });
    },
    /** @param {string} method @param {any[]} args */
    tell: (method, args) => post({ method, args }),
  };
}

/**
 * Answers what is called over a port.
 * @param {MessagePort} port
 * @param {Methods} methods
 */
export function serve(port, methods) {
  port.onmessage = async (/** @type {MessageEvent<Call>} */ { data: { id, method, args } }) => {
    try {
      const result = await methods[method](...args);
      if (id !== undefined) port.postMessage({ id, result }, buffersOf([result]));
    } catch (error) {
      if (id !== undefined) port.postMessage({ id, error: describe(error) });
    }
  };
}

/** @param {any[]} values @returns {Transferable[]} */
const buffersOf = (values) => values.filter((value) => value instanceof Uint8Array).map((bytes) => bytes.buffer);
