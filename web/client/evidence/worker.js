// The Worker of an acquisition, or of one of its hashes: that of a connection,
// and what its program needs to reach the page and other Workers.
import { deviceOf } from "../handle.js";
import "../worker.js";
import { ask, serve } from "./ports.js";

Object.assign(globalThis, { nbdbridgeDevice: deviceOf, nbdbridgeAsk: ask, nbdbridgeServe: serve });
