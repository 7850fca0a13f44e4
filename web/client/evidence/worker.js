// The Worker of an acquisition.
import { deviceOf } from "../handle.js";
import "../worker.js";

Object.assign(globalThis, { nbdbridgeDevice: deviceOf });
