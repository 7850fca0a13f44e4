// What lies between a page and a disk, and can fail.
import { setTimeout as delay } from "node:timers/promises";
import { Hole } from "./hole.js";
import { bridgeBinary, freePort } from "./processes.js";

/** @typedef {import("./lab.js").Lab} Lab */
/** @typedef {Awaited<ReturnType<Lab["bridge"]>>} Bridge */
/** @typedef {Awaited<ReturnType<Lab["nbdkit"]>>} Server */

/** What lies between a page and a disk, and can fail. */
export class Path {
  /** @param {Server} server @param {Bridge} bridge @param {Hole} hole @param {string} url */
  constructor(server, bridge, hole, url) {
    this.server = server;
    this.bridge = bridge;
    this.hole = hole;
    this.url = url;
  }

  /** @param {Lab} lab @param {Server} server @param {{page: string}} pages where the page comes from, which lives */
  static async through(lab, server, pages) {
    const port = await freePort();
    const hole = new Hole(port);
    const at = `127.0.0.1:${await hole.listen()}`;
    const bridge = await lab.processes.start({ port, host: "127.0.0.1" }, bridgeBinary, "serve", "--listen", `127.0.0.1:${port}`,
      "--public-url", `http://${at}`, "--origin", new URL(pages.page).origin, "--target", `lab=${server.target}`);
    return new Path(server, /** @type {any} */ (bridge), hole, `ws://${at}/nbd/lab`);
  }
}

/** @param {{kill: () => Promise<void>, again: () => Promise<unknown>}} process @param {number} forMs */
export async function restart(process, forMs) {
  await process.kill();
  await delay(forMs); // how long it is away, which is what is tested
  Object.assign(process, await process.again());
}
