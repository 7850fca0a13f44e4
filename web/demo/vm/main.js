// The machine's page: from a form to an operating system that runs.
import { showError } from "../page/alert.js";
import { startConnection } from "../page/connection.js";
import { byId, element } from "../page/dom.js";
import { startMasthead } from "../page/masthead.js";
import { showOutages } from "../page/outage.js";
import { addChoice, readChoice } from "./choice.js";
import { showControls, startControls } from "./controls.js";
import { hasFirmware } from "./firmware.js";
import { attachScreen, freshScreen, startScreen } from "./screen.js";
import { attachSerial, startSerial } from "./serial.js";
import { Session } from "./session.js";
import { startStrip, watchStack } from "./strip.js";
import { alone, startWork, stopWork } from "./work.js";

/** @type {import("../page/connection.js").Connection | undefined} */ let connection;
/** What the parts of the page show. @type {Session["stack"]} */ let stack;
/** @type {Session["machine"]} */ let machine;

const session = new Session({
  changed: show,
  stopped: (error) => showError("The machine was stopped.", error, { focus: false }),
  unwritten: (error) => showError("Not all that the machine wrote was saved.", error, { focus: false }),
  lost: (error) => connection?.lost("The connection was lost, and the machine with it.", error, { focus: false }),
  screen: freshScreen,
});

/** @param {NonNullable<Session["stack"]>} stack */
function watchOutages({ disk, drive }) {
  const outage = showOutages(disk, "The machine goes on until it needs the disk.");
  drive.on("stalled", ({ since }) => outage.waiting("The machine is paused until it is back, and loses nothing.", since));
  drive.on("resumed", () => outage.waiting(""));
}

function show() {
  if (stack !== session.stack) {
    stack = session.stack;
    watchStack(stack);
    if (stack) watchOutages(stack);
    if (stack && session.place) connection?.took(session.place);
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
function open(place, signal) {
  return alone(async () => {
    await session.open(place, readChoice(), signal);
    byId("machine-title", HTMLElement).focus();
    if (!session.saved) await session.boot(signal);
    if (!signal.aborted) return;
    await session.end();
    signal.throwIfAborted();
  });
}

async function close() {
  await stopWork();
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
