// The Worker of an inspector: that of a connection, and what its program needs
// to reach a device of the page.
import { deviceOf } from "../handle.js";
import "../worker.js";

Object.assign(globalThis, { nbdbridgeDevice: deviceOf });
