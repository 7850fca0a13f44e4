import { NbdError, invalid } from "../errors.js";
import { resolve } from "../spawn.js";

/** How long a Service Worker may take to be installed and begin, in milliseconds. */
const installLimit = 20_000;

/**
 * @typedef {object} WorkerOptions
 * @property {string | URL} [script] where sw.js is, if not beside this module;
 *   it must be of the page's origin
 * @property {string | URL} [scope] of the Service Worker; default: the folder of
 *   sw.js. A wider one takes the header Service-Worker-Allowed
 */

/**
 * Registers sw.js, and waits until it is active.
 * @param {WorkerOptions} options
 * @param {{control: boolean}} want whether the page must be in its scope
 * @returns {Promise<ServiceWorkerRegistration>}
 */
export async function register({ script, scope }, { control }) {
  const here = import.meta.url; // apart, so that no bundler moves sw.js
  const url = script === undefined ? new URL("./sw.js", here) : resolve("script", script);
  const within = scope === undefined ? new URL("./", url) : resolve("scope", scope);
  checkSupport();
  if (control) checkScope(url, within);
  try {
    return await active(await navigator.serviceWorker.register(url, { scope: within.href }), url);
  } catch (error) {
    if (error instanceof NbdError) throw error;
    throw new NbdError("WASM_LOAD", `The Service Worker ${url.href} could not be registered for ${within.pathname} (${error}). It must come from the page's own origin as text/javascript, the Content-Security-Policy must allow it (worker-src), and its scope may be no wider than its folder, unless it comes with the header Service-Worker-Allowed.`, {}, { cause: error });
  }
}

function checkSupport() {
  const { isSecureContext, document: page, navigator: browser } = /** @type {any} */ (globalThis);
  if (page && browser?.serviceWorker) return;
  throw new NbdError("ENOTSUP", page
    ? `The page can have no Service Worker${isSecureContext ? ": the browser has none, or not in this window, as in some private ones" : ". Serve it over https, or from localhost"}.`
    : "Only a page can talk to a Service Worker. Hand the device to the page, with handleOf and deviceOf of nbdbridge/handle.", {}, { stage: "client" });
}

/** @param {URL} script @param {URL} scope */
function checkScope(script, scope) {
  if (location.href.startsWith(scope.href)) return;
  throw invalid(`The page ${location.pathname} is outside of ${scope.pathname}, the scope of the Service Worker ${script.pathname}, which is asked only by pages in its scope. Copy sw.js into the page's folder or one above it, and say so in the option script; or serve it with the header Service-Worker-Allowed: / and give the option scope: "/".`);
}

/**
 * @param {ServiceWorkerRegistration} registration
 * @param {URL} url
 */
async function active(registration, url) {
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  await until(() => worker?.state === "activated" || worker?.state === "redundant", /** @type {ServiceWorker} */ (worker), "statechange");
  if (worker?.state === "activated") return registration;
  throw new NbdError("WASM_LOAD", `The Service Worker ${url.href} did not start${worker?.state === "redundant" ? ": its script failed" : ` in ${installLimit / 1000} seconds`}. The browser's console has more.`);
}

/**
 * Waits until the page's requests come to a Service Worker that was asked to
 * claim it.
 * @param {ServiceWorkerRegistration} registration
 */
export async function controlled(registration) {
  const { serviceWorker } = navigator;
  const best = await serviceWorker.getRegistration(location.href);
  if (best && best.scope !== registration.scope) {
    throw invalid(`The page belongs to another Service Worker, ${best.active?.scriptURL}, whose scope is narrower. Import sw.js into it with importScripts, and give its URL and scope as the options script and scope.`);
  }
  const is = () => serviceWorker.controller?.scriptURL === registration.active?.scriptURL; // not one of a wider scope
  await until(is, serviceWorker, "controllerchange");
  if (!is()) throw new NbdError("WASM_LOAD", `The Service Worker ${registration.active?.scriptURL} did not take the page over. Load the page again.`);
}

/**
 * @param {() => boolean} holds
 * @param {EventTarget} target
 * @param {string} event after which it may hold
 * @returns {Promise<void>} fulfils also when installLimit has passed
 */
async function until(holds, target, event) {
  if (holds()) return;
  await /** @type {Promise<void>} */ (new Promise((resolve) => {
    const end = () => {
      target.removeEventListener(event, look);
      clearTimeout(timer);
      resolve();
    };
    const look = () => { if (holds()) end(); };
    const timer = setTimeout(end, installLimit);
    target.addEventListener(event, look);
  }));
}
