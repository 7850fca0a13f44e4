// Where there are no WebSockets, as in Node 20.
import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "nbdbridge";

test("without WebSockets open says what is needed", async () => {
  delete (/** @type {any} */ (globalThis).WebSocket);
  const opening = open("wss://bridge.example/nbd/lab", { tls: { mode: "off" } });
  await assert.rejects(opening, { code: "WASM_LOAD", stage: "client", message: /needs Workers and WebSockets, and Node v[\d.]+ lacks them\. Use Node 22/ });
});
