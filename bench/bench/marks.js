// Tells when the client passes its milestones, in the page and in its Worker,
// by standing in for what it calls there. The client knows nothing of it.
const channel = new BroadcastChannel("marks");

/** @param {string} name the last time that it is told counts */
function mark(name) {
  channel.postMessage({ name, at: performance.timeOrigin + performance.now() });
}

/** Marks the moment in which a script sets a global, and what it calls. */
function onSet(global, seen) {
  let value;
  Object.defineProperty(globalThis, global, { configurable: true, get: () => value, set: (given) => { value = seen(given); } });
}

for (const name of ["compile", "compileStreaming", "instantiate", "instantiateStreaming"]) {
  const own = WebAssembly[name];
  WebAssembly[name] = async (...args) => {
    const result = await own.apply(WebAssembly, args);
    mark(name.startsWith("compile") ? "compiled" : "instantiated");
    return result;
  };
}

globalThis.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    mark("dialled");
    this.addEventListener("open", () => mark("connected"));
  }
};

if (!globalThis.document) {
  mark("worker");
  onSet("Go", (Go) => (mark("runtime"), Go));
  onSet("nbdbridgeReady", (ready) => (...args) => (mark("started"), ready(...args)));
}
