// The dialog of all overdue cases: opened by its address, and fetched again while it is open.

import { inAddress, leaveAddress } from "./address.js";
import { startCountdown } from "./countdown.js";
import { firstTime, formatFull } from "./district_time.js";
import { byId, setClass, setText } from "./dom.js";
import { placeOf, setTitledName } from "./names.js";
import { buildRow, linkRow, showRows } from "./rows.js";
import { mostUrgentState } from "./states.js";
import { DISTRICT, formatCount, lineName, words } from "./words.js";

export const OVERDUE = "#list=overdue";
const REFRESH_MS = 3000;

let shown = 1; // Pages of the list.
let timer = null;

const isOpen = () => byId("overdue").open;
export const addressBehindCase = () => (isOpen() ? OVERDUE : "");

// Open the list if the address names it. A case may be opened above it.
export function followOverdue() {
  if (inAddress("list") === "overdue" && !isOpen()) open();
  else if (isOpen() && location.hash === "") byId("overdue").close();
}

function open() {
  shown = 1;
  byId("overdue").showModal();
  byId("overdue-title").focus();
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  const list = await fetchPages();
  await firstTime; // Rows count from the district's time.
  if (!isOpen()) return;
  if (list) show(list);
  else setText(byId("overdue-count"), words("overdue.failed"));
  timer = setTimeout(refresh, REFRESH_MS);
}

// Return the pages of the list as one, null without an answer.
async function fetchPages() {
  const list = { count: 0, cases: [] };
  let next = "";
  try {
    for (let page = 0; page < shown; page += 1) {
      const after = encodeURIComponent(next);
      const response = await fetch(`/screen/${DISTRICT}/cases?list=overdue&after=${after}`);
      if (!response.ok) return null;
      const { count, cases, next: more } = await response.json();
      list.count = count;
      list.cases.push(...cases);
      if (!more) break;
      next = more;
    }
  } catch {
    return null;
  }
  return list;
}

function show({ count, cases }) {
  const text = count ? words("overdue.count", { count: formatCount(count) }) : "";
  setText(byId("overdue-count"), text);
  showRows(byId("overdue-rows"), cases, (item) => item.case, build, update);
  byId("overdue-more").hidden = cases.length >= count;
}

const build = () => buildRow("what", "left", "who", "line", "state");

function update(row, item) {
  const { what, left, who, line, state } = row.parts;
  linkRow(row, item);
  setTitledName(what, item.category);
  setTitledName(who, placeOf(item), words("case.no_place"));
  setText(line, lineName(item.line));
  setText(state, words(`state.${item.calling ? "calling" : item.state}`));
  setClass(state, `state ${item.calling ? mostUrgentState(item) : ""}`);
  left.title = formatFull(item.due);
  startCountdown(row, item.due, { soon: 0, never: "case.no_due", past: "case.overdue" });
}

export function listenToOverdue() {
  const dialog = byId("overdue");
  byId("overdue-close").addEventListener("click", () => dialog.close());
  byId("overdue-more").addEventListener("click", () => {
    shown += 1;
    refresh();
  });
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => leaveAddress("list", ""));
  addEventListener("hashchange", followOverdue);
}
