// The dialog of a case: opened by its address, fetched, and fetched again when it changes.

import { inAddress, leaveAddress } from "./address.js";
import { showCase } from "./case_details.js";
import { firstTime } from "./district_time.js";
import { byId, setText } from "./dom.js";
import { addressBehindCase } from "./list.js";
import { DISTRICT, words } from "./words.js";

const RETRY_MS = 3000;

let opened = null; // The case that the dialog shows.
let lastEvent = null; // The last event of that case in the stream.

// Open the case in the address, or close the dialog.
export function followAddress() {
  const name = inAddress("case");
  if (name === opened) return;
  if (name) openCase(name);
  else byId("case").close();
}

function openCase(name) {
  opened = name;
  lastEvent = null;
  setText(byId("case-title"), "…");
  setText(byId("case-place"), "");
  showWaiting("dialog.loading");
  if (!byId("case").open) byId("case").showModal();
  byId("case-title").focus();
  fetchCase(name);
}

// Show a sentence in place of the case; without one, the case.
function showWaiting(key) {
  byId("case-body").hidden = key !== null;
  byId("case-wait").hidden = key === null;
  if (key) setText(byId("case-wait"), words(key));
}

async function fetchCase(name) {
  const [status, life] = await requestCase(name);
  await firstTime; // The zone of the case's times comes with it.
  if (name !== opened) return;
  if (life) {
    showCase(life);
    showWaiting(null);
  } else if (status === 404) {
    setText(byId("case-title"), name);
    showWaiting("dialog.gone");
  } else {
    showWaiting("dialog.failed");
    setTimeout(() => name === opened && fetchCase(name), RETRY_MS);
  }
}

// Return the status of the answer, null without an answer, and the life of the case.
async function requestCase(name) {
  try {
    const response = await fetch(`/screen/${DISTRICT}/cases/${encodeURIComponent(name)}`);
    return [response.status, response.ok ? await response.json() : null];
  } catch {
    return [null, null];
  }
}

// Fetch the open case again if the stream has another event of it.
export function refreshCase(events) {
  const last = opened && events.find((event) => event.case === opened)?.id;
  if (!last || last === lastEvent) return;
  if (lastEvent !== null || !byId("case-body").hidden) fetchCase(opened);
  lastEvent = last;
}

// Fetch the open case again, because names have come for its codes.
export function renameCase() {
  if (opened) fetchCase(opened);
}

function forgetCase() {
  opened = null;
  leaveAddress("case", addressBehindCase());
}

export function listenToDialog() {
  const dialog = byId("case");
  byId("case-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", forgetCase);
  addEventListener("hashchange", followAddress);
}
