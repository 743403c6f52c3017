// The dialog of a list: the cases or calls behind a number or a grid, or the results of a search.

import { inAddress, leaveAddress } from "./address.js";
import { startCountdown, stopCountdown } from "./countdown.js";
import { firstTime, formatFull, formatShort } from "./district_time.js";
import { byId, setClass, setText, setTitle } from "./dom.js";
import { nameOf, placeOf, setTitledName } from "./names.js";
import { buildRow, clearRows, linkRow, showRows } from "./rows.js";
import { mostUrgentState } from "./states.js";
import { DISTRICT, formatCount, lineName, words } from "./words.js";

const REFRESH_MS = 3000;
const NEWEST_FIRST = ["accepted", "ended"];
const SEARCH = "search";

let opened = ""; // The address of the list that the dialog shows.
let items = [];
let next = null; // The place after the last item.
let pages = 0;
let latest = 0; // The number of the last request. What an earlier one brings comes too late.
let timer = null;

const isOpen = () => byId("list").open;
const isSearch = () => inList("list") === SEARCH;
const isCalls = () => inList("list") === "calls";
const inList = (name) => new URLSearchParams(opened.slice(1)).get(name) ?? "";
export const addressBehindCase = () => (isOpen() ? opened : "");
export const listOfGrid = (code) => `#list=open&grid=${encodeURIComponent(code)}`;

// Open the list that the address names. A case may be opened above it.
export function followList() {
  if (inAddress("list") !== null) openList(location.hash);
  else if (isOpen() && location.hash === "") byId("list").close();
}

function openList(address) {
  if (isOpen() && address === opened) return;
  opened = address;
  [items, next, pages] = [[], null, 0];
  setText(byId("list-title"), titleOf());
  setText(byId("list-count"), words(isSearch() ? "search.hint" : "list.loading"));
  byId("search").elements.q.value = inList("q");
  clearRows(byId("list-rows"));
  byId("list-rows-empty").hidden = byId("list-more").hidden = true;
  byId("list-more").disabled = false;
  if (!isOpen()) byId("list").showModal();
  (isSearch() ? byId("search").elements.q : byId("list-title")).focus();
  refresh();
}

function titleOf() {
  const [name, line, grid] = ["list", "line", "grid"].map(inList);
  const title = words(isCalls() ? `list.calls.${inList("level")}` : `list.${name}`);
  if (grid) return `${title} · ${nameOf(grid)[0]}`;
  return line ? `${title} · ${lineName(line)}` : title;
}

// Fetch the first page, again and again as long as it is the only one: a reader of more would lose
// the place.
async function refresh() {
  const number = beginRequest();
  if (isSearch() && !inList("q").trim()) return;
  const page = await fetchPage("");
  await firstTime; // Rows count from the district's time.
  if (number !== latest) return;
  if (page) showPage(page, page.cases ?? page.calls, 1);
  else setText(byId("list-count"), words("list.failed"));
  timer = setTimeout(refresh, REFRESH_MS);
}

// Fetch the page after the rows that are shown. A refresh must not change them meanwhile.
async function showMore() {
  const [number, button] = [beginRequest(), byId("list-more")];
  button.disabled = true;
  const page = await fetchPage(next);
  if (number !== latest) return;
  button.disabled = false;
  if (page) showPage(page, [...items, ...(page.cases ?? page.calls)], pages + 1);
  else setText(byId("list-count"), words("list.failed"));
  if (pages === 1) timer = setTimeout(refresh, REFRESH_MS);
}

// Return the number of a new request, in the place of any other one of this list.
function beginRequest() {
  clearTimeout(timer);
  return ++latest;
}

// Return a page of the list, null without an answer.
async function fetchPage(after) {
  try {
    const response = await fetch(`/screen/${DISTRICT}/${routeOf()}?${queryOf(after)}`);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

const routeOf = () => (isSearch() ? SEARCH : isCalls() ? "calls" : "cases");

function queryOf(after) {
  const query = new URLSearchParams(opened.slice(1));
  if (after) query.set("after", after);
  return query;
}

function showPage(page, all, count) {
  [items, next, pages] = [all, page.next, count];
  setText(byId("list-count"), page.count ? countText(page.count) : "");
  showItems();
}

function countText(count) {
  const order = isCalls() ? "calls" : NEWEST_FIRST.includes(inList("list")) ? "newest" : "due";
  const key = isSearch() ? "search.count" : `list.order.${order}`;
  return words(key, { count: formatCount(count) });
}

function showItems() {
  const update = isCalls() ? updateCall : updateCase;
  setText(byId("list-rows-empty"), words(isSearch() ? "search.empty" : "list.empty"));
  showRows(byId("list-rows"), items, (item) => item.call ?? item.case, build, update);
  byId("list-more").hidden = next === null;
}

const build = () => buildRow("what", "left", "who", "from", "state");

function updateCase(row, item) {
  const { what, left, who, from, state } = row.parts;
  linkRow(row, item);
  setTitledName(what, item.category);
  setTitledName(who, placeOf(item), words("case.no_place"));
  setText(from, `${lineName(item.line)} · ${item.reference}`);
  setTitle(from, from.textContent);
  setText(state, words(`state.${item.calling ? "calling" : item.state}`));
  setClass(state, `state ${item.calling ? mostUrgentState(item) : ""}`);
  if (item.ended === null) {
    left.title = item.due === null ? "" : formatFull(item.due);
    startCountdown(row, item.due, { soon: 0, never: "case.no_due", past: "case.overdue" });
  } else {
    stopCountdown(row);
    setClass(left, "left");
    left.title = formatFull(item.ended);
    setText(left, words("case.ended", { time: formatShort(item.ended) }));
  }
}

function updateCall(row, call) {
  const { what, left, who, from, state } = row.parts;
  linkRow(row, call);
  setTitledName(what, call.category);
  setTitledName(who, call.unit);
  const because = words(`call.because.${call.because}`);
  setText(from, words("call.since", { because, time: formatShort(call.raised) }));
  setTitle(from, formatFull(call.raised));
  setText(state, words(call.acknowledged ? "call.acknowledged" : "call.unacknowledged"));
  setClass(state, call.acknowledged ? "state" : "state calling");
  left.title = call.answer_due === null ? "" : formatFull(call.answer_due);
  const soon = (call.answer_due - call.raised) / 4;
  startCountdown(row, call.answer_due, { soon, never: "call.unlimited", past: "call.silent" });
}

function search(event) {
  event.preventDefault();
  location.hash = new URLSearchParams({ list: SEARCH, q: event.target.elements.q.value.trim() });
}

export function listenToList() {
  const dialog = byId("list");
  byId("list-close").addEventListener("click", () => dialog.close());
  byId("list-more").addEventListener("click", showMore);
  byId("search").addEventListener("submit", search);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    beginRequest();
    opened = "";
    leaveAddress("list", "");
  });
  addEventListener("hashchange", followList);
}
