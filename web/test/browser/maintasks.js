// How long a page holds up its main thread. Only Chromium tells.

/**
 * The longest task of the page's main thread while something is done, in
 * milliseconds of the processor's time: the clock's would be that of a machine
 * that is busy with other tests too.
 * @param {import("puppeteer-core").Page} page
 * @param {() => Promise<unknown>} work
 * @returns {Promise<number>}
 */
export async function longestTask(page, work) {
  await page.tracing.start({ categories: ["toplevel"] });
  await work();
  const trace = await page.tracing.stop();
  /** @type {{name: string, pid: number, tid: number, tdur?: number, args: {name?: string}}[]} */
  const events = JSON.parse(new TextDecoder().decode(trace)).traceEvents;
  const threads = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map(thread));
  const tasks = events.filter((e) => /RunTask$/.test(e.name) && threads.has(thread(e)) && e.tdur !== undefined);
  if (tasks.length === 0) throw new Error("the trace has no task of the main thread");
  return Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000;
}

/** @param {{pid: number, tid: number}} event */
function thread({ pid, tid }) {
  return `${pid}/${tid}`;
}
