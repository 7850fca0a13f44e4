// The machine's page: from a form to an operating system that runs.
import { showError } from "../page/alert.js";
import { startConnection } from "../page/connection.js";
import { byId, element } from "../page/dom.js";
import { startMasthead } from "../page/masthead.js";
import { addChoice, readChoice } from "./choice.js";
import { showControls, startControls } from "./controls.js";
import { hasFirmware } from "./firmware.js";
import { watchOutages } from "./outage.js";
import { attachScreen, freshScreen, startScreen } from "./screen.js";
import { attachSerial, startSerial } from "./serial.js";
import { Session } from "./session.js";
import { startStrip, watchStack } from "./strip.js";
import { startWork, stopWork } from "./work.js";

/** What the parts of the page show. @type {Session["stack"]} */ let stack;
/** @type {Session["machine"]} */ let machine;

const session = new Session({
  changed: show,
  failed: (what, error) => showError(what, error, { focus: false }),
  screen: freshScreen,
});

function show() {
  if (stack !== session.stack) {
    stack = session.stack;
    watchStack(stack);
    if (stack) watchOutages(stack);
  }
  if (machine !== session.machine) {
    machine = session.machine;
    attachScreen(machine);
    attachSerial(machine);
  }
  showControls(session);
}

/**
 * Opens a disk, and boots unless there is a saved state to choose.
 * @type {(place: import("../page/form.js").Place, signal: AbortSignal) => Promise<void>}
 */
async function open(place, signal) {
  await session.open(place, readChoice(), signal);
  byId("machine-title", HTMLElement).focus();
  if (!session.saved) await session.boot(signal);
}

async function close() {
  stopWork();
  await session.end();
}

async function start() {
  startScreen();
  startSerial();
  startStrip();
  startWork(show);
  startControls(session);
  const fields = element("div", "", "stack");
  byId("connection", HTMLElement).append(fields); // until the form takes them
  addChoice(fields);
  /** @type {import("../page/connection.js").Connection | undefined} */ let connection;
  startMasthead("Boot an operating system in this page, from a disk that is far away.", () => connection?.form.link() ?? {});
  connection = await startConnection(byId("connection", HTMLElement), {
    action: "Boot", opening: "Opening the disk and booting…", opened: "The disk was opened.", failed: "The machine could not be started.",
    open, close, fields: [fields],
  });
  if (await hasFirmware()) return;
  byId("no-firmware", HTMLElement).hidden = false;
  byId("connection", HTMLElement).inert = true;
}

show();
start().catch((error) => showError("The page could not start.", error));
