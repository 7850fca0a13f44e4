// What tsc checks: a disk is a device, and so is every layer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Disk, open } from "../../client/index.js";
import { Device } from "../../client/device.js";
import { region } from "../../client/layers/index.js";

/** @param {Disk} disk @returns {import("../../client/index.js").BlockDevice} */
export const isDevice = (disk) => disk;
/** @param {Disk} disk @returns {{byteLength: number, slice(start: number, end?: number): Promise<ArrayBuffer>}} */
export const isAsyncBuffer = (disk) => disk;
/** @param {Disk} disk */
export const canBeLayered = (disk) => region(disk, { offset: 0, length: 512n });

/** @param {Disk} disk */
export function events(disk) {
  disk.on("closed", ({ error }) => error?.code === "IDENTITY");
  disk.on("reconnecting", ({ attempt, delay, cause }) => /** @type {[number, number, boolean]} */ ([attempt, delay, cause.retryable]));
  // @ts-expect-error there is no such event
  disk.on("open", () => {});
  // @ts-expect-error it has no attempt
  disk.on("reconnected", ({ attempt }) => attempt);
}

/** What an open takes, and does not. */
export function opens() {
  const tls = { ca: "PEM", serverName: "nbd7.lab" };
  open("wss://b.example/nbd/lab", { tls, token: async () => "t", connections: 4, reconnect: { giveUpAfter: 1000 } });
  open("wss://b.example/nbd/lab", { tls, token: () => "t", reconnect: false });
  // @ts-expect-error a number is no ticket
  open("wss://b.example/nbd/lab", { tls, token: () => 7 });
}

test("a Disk is a Device", () => {
  assert.ok(Disk.prototype instanceof Device);
});
