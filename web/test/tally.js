// A reporter for node:test: a line for each test, in the words of test/report:
// "pass", "fail NAME" or "skip NAME: reason". What is "todo" counts as skipped.

/** @param {AsyncIterable<any>} events */
export default async function* tally(events) {
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const skipped = data.skip ?? data.todo;
    if (skipped !== undefined) yield `skip ${data.name}: ${skipped === true ? "no reason given" : skipped}\n`;
    else if (data.details?.type === "suite") continue;
    else yield type === "test:pass" ? "pass\n" : `fail ${data.name}\n`;
  }
}
