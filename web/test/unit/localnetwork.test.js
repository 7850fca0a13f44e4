import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { NbdError } from "../../client/errors.js";
import { explained } from "../../client/localnetwork.js";

/** @type {PropertyDescriptorMap} */
const before = Object.fromEntries(["navigator", "location", "isSecureContext"].map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name) ?? { value: undefined, configurable: true }]));
afterEach(() => { Object.defineProperties(globalThis, before); });

/**
 * Makes this process look like a page of a browser that knows some permissions.
 * @param {Record<string, string>} states @param {{hostname?: string, isSecureContext?: boolean}} page
 */
function page(states, { hostname = "app.example", isSecureContext = true } = {}) {
  const query = async (/** @type {{name: string}} */ { name }) => {
    if (!(name in states)) throw new TypeError("no valid enum value");
    return { state: states[name] };
  };
  for (const [name, value] of Object.entries({ navigator: { permissions: { query } }, location: { hostname }, isSecureContext })) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
}

const unreachable = () => new NbdError("BRIDGE_UNREACHABLE", "It never opened.", { export: "vda" }, { stage: "connect", cause: new Error("why") });

/** @type {[string, Record<string, string>, object, string | undefined][]} */
const table = [
  ["a browser without the permission", {}, {}, undefined],
  ["granted", { "local-network-access": "granted" }, {}, undefined],
  ["denied", { "local-network-access": "denied" }, {}, "denied"],
  ["not asked", { "local-network-access": "prompt" }, {}, "prompt"],
  ["its later names", { "local-network": "granted", "loopback-network": "denied" }, {}, "denied"],
  ["one denied, one not asked", { "local-network": "prompt", "loopback-network": "denied" }, {}, "denied"],
  ["an insecure page", { "local-network-access": "denied" }, { isSecureContext: false }, undefined],
  ["a page of this machine", { "local-network-access": "denied" }, { hostname: "localhost" }, undefined],
  ["a page of 127.0.0.1", { "local-network-access": "denied" }, { hostname: "127.0.0.1" }, undefined],
  ["a page of ::1", { "local-network-access": "denied" }, { hostname: "[::1]" }, undefined],
  ["a page of a private address", { "local-network-access": "denied" }, { hostname: "172.20.0.1" }, undefined],
  ["a page of a public address", { "local-network-access": "denied" }, { hostname: "172.32.0.1" }, "denied"],
];
for (const [what, states, where, wanted] of table) {
  test(`a bridge that is not reached: ${what}`, async () => {
    page(states, where);
    const given = unreachable();
    const error = /** @type {NbdError} */ (await explained(given));
    assert.equal(error.details.localNetwork, wanted);
    if (!wanted) return assert.equal(error, given);
    assert.deepEqual([error.code, error.stage, error.details.export, error.cause], [given.code, "connect", "vda", given.cause]);
    assert.match(error.message, wanted === "denied" ? /^It never opened\. .*settings of this site/ : /^It never opened\. .*when the browser asks/);
  });
}

test("other failures are left alone", async () => {
  page({ "local-network-access": "denied" });
  for (const error of [new NbdError("LIMIT", "too many"), "enough", undefined]) assert.equal(await explained(error), error);
});

test("a browser without permissions at all", async () => {
  page({});
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  const given = unreachable();
  assert.equal(await explained(given), given);
});
