// The live page of one district: it listens to one stream, and changes only what changed.

const WORDS = JSON.parse(document.getElementById("words").textContent);
const DISTRICT = document.documentElement.dataset.district;
const LANGUAGE = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const POINTS = matchMedia("(hover: hover)");

const SECOND = 1e6; // District time is in microseconds.
const SOON = 3600 * SECOND; // A deadline is marked from here on, a call in the last quarter of its time.
const QUIET_MS = 5000; // The stream speaks once a second; after this silence the connection is lost.
const DEAF_MS = 15000; // After this the connection is made anew: a half-open one never tells.
const RETRY_MS = 3000;
const HELD_MS = 15000; // A list holds still for a hand or a focus, but never for ever: it would grow stale.
const SAY_MS = 60000; // Screen readers hear of new calls at most this often.
const BEHIND_SECONDS = 5;

const byId = (id) => document.getElementById(id);
const words = (key, values = {}) =>
  (WORDS[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const has = (key) => key in WORDS;

// ── The DOM, changed as little as possible ─────────────────────────────────────────────────────────────────────────

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setTitle(node, text) {
  if (node.title !== text) node.title = text;
}

function setClass(node, name) {
  if (node.getAttribute("class") !== name) node.setAttribute("class", name);
}

function make(tag, name = "", text = "") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  return node;
}

// ── Words of numbers, times and places ─────────────────────────────────────────────────────────────────────────────

const numbers = new Intl.NumberFormat(LANGUAGE === "zh" ? "zh-CN" : "en");
const count = (value) => numbers.format(value);

let zone = null;
let clockFormat, dayFormat, dateFormat, stampFormat;

function setZone(name) {
  if (name === zone) return;
  zone = name;
  const locale = LANGUAGE === "zh" ? "zh-CN" : "en-GB";
  const format = (options) => new Intl.DateTimeFormat(locale, { timeZone: name, hourCycle: "h23", ...options });
  clockFormat = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  dayFormat = new Intl.DateTimeFormat("en-CA", { timeZone: name, year: "numeric", month: "2-digit", day: "2-digit" });
  dateFormat = format({ year: "numeric", month: "long", day: "numeric", weekday: "short" });
  stampFormat = new Intl.DateTimeFormat("en-GB", { timeZone: name, hourCycle: "h23", hour: "2-digit", minute: "2-digit" });
}

const dated = (instant) => new Date(instant / 1000);
const clock = (instant) => clockFormat.format(dated(instant));
const day = (instant) => dayFormat.format(dated(instant));

// 14:05 today, 11-23 14:05 on another day.
function when(instant) {
  const time = stampFormat.format(dated(instant));
  const date = day(instant);
  return date === day(districtNow()) ? time : `${date.slice(5)} ${time}`;
}

const fully = (instant) => `${day(instant)} ${clock(instant)}`;
const two = (value) => String(value).padStart(2, "0");

// A span of microseconds, its sign left out: 0:12:33, or 3 d 04:12 from two days on.
function span(micros) {
  const seconds = Math.floor(Math.abs(micros) / SECOND);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours < 48) return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  return words("left.days", { days: Math.floor(hours / 24), time: `${two(hours % 24)}:${two(minutes)}` });
}

let names = {};

// What a code is called, and in which language that is.
function named(code) {
  const known = names[code];
  if (known?.[LANGUAGE]) return [known[LANGUAGE], LANGUAGE];
  return [known?.zh ?? known?.en ?? code ?? "", known?.zh || /[㐀-鿿]/.test(code ?? "") ? "zh" : LANGUAGE];
}

function setName(node, code, otherwise = "") {
  const [text, language] = code ? named(code) : [otherwise, LANGUAGE];
  setText(node, text);
  setLanguage(node, language);
}

function setLanguage(node, language) {
  const wanted = language === LANGUAGE ? "" : language === "zh" ? "zh-CN" : "en";
  if (node.lang !== wanted) node.lang = wanted;
}

const placeOf = (item) => item.grid ?? item.street;
const lineName = (line) => words(`line.${line}`);

// ── District time ──────────────────────────────────────────────────────────────────────────────────────────────────

let latest = null; // The last message of the stream.
let heardFirst;
const firstMessage = new Promise((resolve) => (heardFirst = resolve));
let receivedMs = 0;
let stoppedMs = null; // While nothing is heard nothing counts down: we do not know.

function districtNow() {
  if (!latest) return 0;
  const passedMs = (stoppedMs ?? performance.now()) - receivedMs;
  return latest.now + passedMs * 1000 * latest.speed;
}

// ── Lists of rows, kept by key ─────────────────────────────────────────────────────────────────────────────────────

const nodesOf = new WeakMap(); // List → key → node.
let touchedMs = -HELD_MS;

for (const kind of ["pointermove", "keydown"]) {
  addEventListener(kind, () => (touchedMs = performance.now()), { passive: true });
}

// Rows must not run away from under a pointer or a focus that is about to choose one.
function isHeld(list) {
  if (performance.now() - touchedMs > HELD_MS || byId("case").open) return false;
  return (POINTS.matches && list.matches(":hover")) || list.querySelector(":focus-visible") !== null;
}

function showRows(list, items, keyOf, build, update) {
  const known = nodesOf.get(list) ?? nodesOf.set(list, new Map()).get(list);
  const held = isHeld(list) && known.size > 0;
  list.classList.toggle("held", held);
  if (!held) arrange(list, known, items, keyOf, build);
  for (const item of items) {
    const node = known.get(keyOf(item));
    if (node) update(node, item);
  }
  const empty = byId(`${list.id}-empty`);
  if (empty) empty.hidden = known.size > 0;
}

function arrange(list, known, items, keyOf, build) {
  const keys = new Set(items.map(keyOf));
  for (const [key, node] of known) {
    if (!keys.has(key)) known.delete(key), leave(node);
  }
  let next = list.firstChild;
  for (const key of keys) {
    const node = known.get(key) ?? known.set(key, build()).get(key);
    if (node === next) next = next.nextSibling;
    else list.insertBefore(node, next);
  }
}

// A row goes; a focus that was on it goes to its neighbour and not to the top of the page.
function leave(node) {
  if (node.contains(document.activeElement)) {
    (node.nextElementSibling ?? node.previousElementSibling)?.querySelector("a")?.focus({ preventScroll: true });
  }
  node.remove();
}

// A row is one link to its case: a click, Enter, or its address opens it.
function buildRow(...parts) {
  const row = make("li");
  const link = make("a", "row");
  row.parts = { link };
  for (const part of parts) link.append((row.parts[part] = make("span", part)), " ");
  row.append(link);
  return row;
}

function linkRow(row, item) {
  const { link } = row.parts;
  const target = `#case=${encodeURIComponent(item.case)}`;
  if (link.getAttribute("href") !== target) link.setAttribute("href", target);
  link.dataset.grid = item.grid ?? "";
}

// A place and a category may be long: one line, and all of it in the title.
function setTitled(node, code, otherwise) {
  setName(node, code, otherwise);
  setTitle(node, node.textContent);
}

// In a narrow column a name goes without its "(dedicated · market)": the title has all of it.
function setBriefly(node, code) {
  const [text, language] = code ? named(code) : [words("case.no_place"), LANGUAGE];
  setText(node, text.replace(/[（(][^）)]*[）)]$/, ""));
  setTitle(node, text);
  setLanguage(node, language);
}

// ── The ladder ─────────────────────────────────────────────────────────────────────────────────────────────────────

const running = new Set(); // Rows whose time is running.

function showLadder(ladder) {
  for (const level of ["district", "street"]) {
    showRows(byId(`calls-${level}`), ladder[level], (call) => call.call, buildCall, updateCall);
  }
  showRows(byId("deadlines"), ladder.grid, (item) => item.case, buildDeadline, updateDeadline);
  for (const level of ["district", "street", "grid"]) {
    const total = ladder.counts[level];
    setText(byId(`count-${level}`), count(total));
    byId(`rung-${level}`).classList.toggle("called", level !== "grid" && total > 0);
  }
}

const buildCall = () => buildRow("who", "heard", "left", "what", "since");
const buildDeadline = () => buildRow("who", "left", "what", "since");

function updateCall(row, call) {
  const { who, heard, what, since } = row.parts;
  linkRow(row, call);
  setReceiver(who, call);
  setMatter(what, call.category, placeOf(call));
  setText(since, words("call.since", { because: words(`call.because.${call.because}`), time: when(call.raised) }));
  setTitle(since, `${words(`call.because.${call.because}.hint`)} · ${fully(call.raised)}`);
  const state = call.acknowledged ? "call.acknowledged" : "call.unacknowledged";
  setText(heard, words(state));
  setTitle(heard, words(`${state}.hint`));
  setClass(heard, call.acknowledged ? "heard" : "heard not");
  const soon = (call.answer_due - call.raised) / 4;
  run(row, call.answer_due, soon, "call.unlimited", "call.silent");
}

// Who must answer: a street by its name. The district is one and stands on its rung: there the row says which street calls.
function setReceiver(node, call) {
  const climbed = call.to === "district" && call.street !== null && call.street !== call.unit;
  if (!climbed) return setTitled(node, call.unit);
  const [text] = named(call.street);
  setText(node, words("call.from", { name: LANGUAGE === "en" ? short(text) : text }));
  setTitle(node, `${named(call.unit)[0]} ← ${text}`);
}

function updateDeadline(row, item) {
  const { who, what, since } = row.parts;
  linkRow(row, item);
  setTitled(who, placeOf(item), words("case.no_place"));
  setTitled(what, item.category);
  setText(since, item.due === null ? "" : words("case.due", { time: when(item.due) }));
  run(row, item.due, SOON, "case.no_due", "case.overdue");
}

// What it is about, and where: "噪声扰民 · 第三网格".
function setMatter(node, category, place) {
  const [what, where] = node.children.length ? node.children : [make("span"), make("span", "from")];
  if (!node.children.length) node.append(what, where);
  setName(what, category);
  setBriefly(where, place);
  setTitle(node, `${what.textContent} · ${where.title}`);
}

// From now on a row counts down to an instant, marked when `soon` is left; `past` is how it says that it is over.
function run(row, until, soon, never, past) {
  row.until = until;
  row.soon = soon;
  row.sayings = { never, past };
  running.add(row);
  tickRow(row, districtNow());
}

function tickRow(row, now) {
  const left = row.until === null ? null : row.until - now;
  const state = left === null ? "" : left < 0 ? " gone" : left < row.soon ? " soon" : "";
  setText(row.parts.left, sayLeft(left, row.sayings));
  setClass(row.parts.left, `left${state}`);
}

function sayLeft(left, { never, past }) {
  if (left === null) return words(never);
  return left < 0 ? words(past, { left: span(left) }) : span(left);
}

function tick() {
  if (!latest) return;
  const now = districtNow();
  setText(byId("clock"), clock(now));
  setText(byId("date"), dateFormat.format(dated(now)));
  for (const row of running) {
    if (row.isConnected) tickRow(row, now);
    else running.delete(row);
  }
}

// ── The four lines ─────────────────────────────────────────────────────────────────────────────────────────────────

function showLines(lines) {
  for (const [line, told] of Object.entries(lines)) {
    for (const name of ["accepted", "open", "overdue"]) setText(byId(`line-${line}-${name}`), count(told[name]));
    byId(`line-${line}-overdue`).parentElement.classList.toggle("some", told.overdue > 0);
    showRows(byId(`latest-${line}`), told.latest, (item) => item.case, buildLatest, updateLatest);
  }
}

const buildLatest = () => buildRow("what", "since", "who", "state");

function updateLatest(row, item) {
  const { what, since, who, state } = row.parts;
  linkRow(row, item);
  setTitled(what, item.category);
  setText(since, when(item.reported));
  setTitle(since, fully(item.reported));
  setBriefly(who, placeOf(item));
  setText(state, words(`state.${standing(item)}`));
  setClass(state, `state ${standing(item)}`);
}

// What matters most of a case, in one word.
const standing = (item) => (item.calling ? "calling" : item.overdue ? "overdue" : item.state);

// ── The last events ────────────────────────────────────────────────────────────────────────────────────────────────

function showEvents(events) {
  showRows(byId("events"), events, (event) => event.id, buildEvent, updateEvent);
}

const buildEvent = () => buildRow("since", "what", "who");

function updateEvent(row, event) {
  const { since, what, who } = row.parts;
  linkRow(row, event);
  setText(since, clock(event.ts));
  setTitle(since, fully(event.ts));
  setText(what, words(["event", event.type, event.to].filter(Boolean).join(".")));
  setTitle(what, what.textContent);
  setClass(what, `what ${alarmOf(event.type)}`);
  setBriefly(who, placeOf(event));
}

const alarmOf = (type) =>
  ({ "deadline-missed": "overdue", "call-raised": "calling", "case-parked": "calling" })[type] ?? "";

// ── Totals and health ──────────────────────────────────────────────────────────────────────────────────────────────

function showTotals(totals) {
  for (const [name, value] of Object.entries(totals)) {
    const node = byId(`total-${name}`);
    if (!node) continue;
    setText(node, count(value));
    node.parentElement.classList.toggle("some", value > 0);
  }
}

function showLag({ rows, seconds }) {
  const behind = seconds > BEHIND_SECONDS;
  health(behind ? "behind" : "good", words(behind ? "health.behind" : "health.good"));
  setText(byId("lag"), words("health.lag", { rows: count(rows), seconds: seconds < 10 ? seconds.toFixed(1) : count(Math.round(seconds)) }));
}

function health(state, text) {
  setClass(byId("health"), `health ${state}`);
  setText(byId("health-word"), text);
}

function showSpeed(speed) {
  const node = byId("speed");
  setText(node, speed === 1 ? words("speed.earnest") : words("speed", { speed }));
  setTitle(node, speed === 1 ? "" : words("speed.hint", { speed }));
}

// ── What screen readers are told unasked: a lost connection, and more calls than before, now and then ──────────────

let saidMs = -SAY_MS;
let saidCalls = null;

function say(text) {
  setText(byId("says"), text);
}

function sayCalls({ street, district }) {
  const calls = `${district} ${street}`;
  const first = saidCalls === null;
  const more = !first && district > Number(saidCalls.split(" ")[0]);
  if (first) saidCalls = calls;
  if (!more || performance.now() - saidMs < SAY_MS) return;
  [saidMs, saidCalls] = [performance.now(), calls];
  say(words("says.calls", { district: count(district), street: count(street) }));
}

// ── The map ────────────────────────────────────────────────────────────────────────────────────────────────────────

const SVG = "http://www.w3.org/2000/svg";
const counts = new Map(); // Grid → [open, overdue, calling].
const changed = new Set(); // Grids not yet redrawn.
const shapes = new Map(); // Grid → { path, street, dedicated, centre }.
const rings = new Map(); // Grid → the ring around it while it calls.
let ringLayer, pointer, chosen = null;

function draw(tag, attributes, parent) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

async function fetchMap() {
  try {
    const response = await fetch(`/screen/${DISTRICT}/map`);
    if (!response.ok) throw new Error(response.statusText);
    showMap(await response.json());
  } catch {
    setText(byId("map-count"), words("map.failed"));
    setTimeout(fetchMap, RETRY_MS);
  }
}

function showMap(map) {
  names = map.names;
  const svg = draw("svg", { viewBox: `-4 -4 ${map.width + 8} ${map.height + 8}`, preserveAspectRatio: "xMidYMin", "aria-hidden": "true" });
  const grids = draw("g", { transform: "scale(.1)", class: "grids" }, svg);
  for (const [code, street, dedicated, outline] of map.grids) {
    const path = draw("path", { d: outline, "data-grid": code }, grids);
    shapes.set(code, { path, street, dedicated, centre: null });
  }
  byId("map").replaceChildren(svg);
  const boxes = boxesOfStreets();
  if (map.schematic) frameStreets(svg, boxes);
  ringLayer = draw("g", { class: "rings" }, svg);
  labelStreets(svg, map.streets, boxes);
  pointer = draw("g", { class: "pointer", visibility: "hidden" }, svg);
  draw("path", { transform: "scale(.1)" }, pointer);
  setText(byId("map-count"), words("map.grids", { count: count(map.grids.length) }));
  byId("map-schematic").hidden = !map.schematic;
  for (const code of shapes.keys()) changed.add(code);
  schedule();
  if (opened) fetchCase(opened); // What it has shown so far has codes for names.
}

function boxesOfStreets() {
  const boxes = new Map();
  for (const { path, street } of shapes.values()) boxes.set(street, around(boxes.get(street), path.getBBox()));
  return boxes;
}

function around(box, { x, y, width, height }) {
  const [left, top, right, bottom] = box ?? [x, y, x, y];
  return [Math.min(left, x), Math.min(top, y), Math.max(right, x + width), Math.max(bottom, y + height)];
}

// In a schematic map a street is a box around its grids.
function frameStreets(svg, boxes) {
  const layer = draw("g", { transform: "scale(.1)", class: "frames" }, svg);
  for (const [x, y, right, bottom] of boxes.values()) draw("rect", { x, y, width: right - x, height: bottom - y }, layer);
}

function labelStreets(svg, streets, boxes) {
  const layer = draw("g", { class: "labels" }, svg);
  for (const [code, x, y] of streets) {
    const [name, language] = named(code);
    const text = draw("text", { x, y, lang: language === "zh" ? "zh-CN" : "en" }, layer);
    text.textContent = short(name);
    fit(text, boxes.get(code));
  }
}

// A name wider than its street is set smaller, so that it does not run into its neighbour's.
function fit(text, [left, , right]) {
  const share = ((right - left) / 10 - 6) / text.getComputedTextLength();
  if (share < 1) text.style.fontSize = `${Math.max(0.7, share) * parseFloat(getComputedStyle(text).fontSize)}px`;
}

// On the map every street is a street: its name says enough.
const short = (name) => (name.length > 2 ? name.replace(/街道(办事处)?$|\s+(sub-?district|street)$/i, "") : name);

function showGrids() {
  if (!shapes.size) return;
  for (const code of changed) {
    const shape = shapes.get(code);
    if (shape) showGrid(code, shape, counts.get(code) ?? [0, 0, 0]);
  }
  changed.clear();
}

function showGrid(code, shape, [open, overdue, calling]) {
  const heat = open >= 4 ? 3 : open >= 2 ? 2 : open > 0 ? 1 : 0;
  const kind = calling ? "calling" : overdue ? "overdue" : `open-${heat}`;
  setClass(shape.path, shape.dedicated ? `${kind} dedicated` : kind);
  if (calling) ringAround(code, shape);
  else if (rings.has(code)) rings.get(code).remove(), rings.delete(code);
  if (code === chosen) showTip(code);
}

function ringAround(code, shape) {
  if (rings.has(code)) return;
  const [cx, cy] = centreOf(shape);
  rings.set(code, draw("circle", { cx, cy, r: 12 }, ringLayer));
}

function centreOf(shape) {
  if (!shape.centre) {
    const { x, y, width, height } = shape.path.getBBox();
    shape.centre = [(x + width / 2) / 10, (y + height / 2) / 10];
  }
  return shape.centre;
}

// Choose a grid: mark it, and tell its name and counts beside it.
function choose(code) {
  chosen = shapes.has(code) ? code : null;
  const tip = byId("tip");
  tip.hidden = chosen === null;
  if (!pointer) return;
  pointer.setAttribute("visibility", chosen ? "visible" : "hidden");
  if (!chosen) return;
  pointer.firstChild.setAttribute("d", shapes.get(code).path.getAttribute("d"));
  showTip(code);
  placeTip(tip, shapes.get(code).path.getBoundingClientRect());
}

function showTip(code) {
  const [name, kind, told] = byId("tip").children;
  const { street, dedicated } = shapes.get(code);
  setName(name, code);
  setText(kind, `${named(street)[0]} · ${words(dedicated ? "map.dedicated" : "map.basic")}`);
  setText(told, sayCounts(code));
}

function sayCounts(code) {
  const [open, overdue, calling] = counts.get(code) ?? [0, 0, 0];
  return open + overdue + calling ? words("map.counts", { open, overdue, calling }) : words("map.quiet");
}

function placeTip(tip, at) {
  const panel = tip.parentElement.getBoundingClientRect();
  const left = at.left + at.width / 2 - panel.left - tip.offsetWidth / 2;
  const above = at.top - panel.top - tip.offsetHeight - 8;
  const top = above < 0 ? at.bottom - panel.top + 8 : above;
  tip.style.left = `${Math.round(Math.max(0, Math.min(left, panel.width - tip.offsetWidth)))}px`;
  tip.style.top = `${Math.round(top)}px`;
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function moveOnMap(event) {
  const step = STEPS[event.key];
  if (!shapes.size || (!step && event.key !== "Enter")) return;
  event.preventDefault();
  choose(step ? neighbour(chosen, step) : nextAlarm(chosen));
  if (!chosen) return;
  const { street } = shapes.get(chosen);
  setText(byId("map-says"), [named(chosen)[0], named(street)[0], sayCounts(chosen)].join(", "));
}

// The nearest grid in a direction; what lies aside counts double.
function neighbour(code, [dx, dy]) {
  if (!code) return shapes.keys().next().value;
  const [x, y] = centreOf(shapes.get(code));
  let [best, least] = [code, Infinity];
  for (const [other, shape] of shapes) {
    const [ox, oy] = centreOf(shape);
    const along = (ox - x) * dx + (oy - y) * dy;
    const distance = along + 2 * Math.abs((ox - x) * dy + (oy - y) * dx);
    if (along > 0.5 && distance < least) [best, least] = [other, distance];
  }
  return best;
}

function nextAlarm(code) {
  const alarms = [...shapes.keys()].filter((grid) => counts.get(grid)?.[1] || counts.get(grid)?.[2]);
  return alarms[(alarms.indexOf(code) + 1) % alarms.length] ?? code;
}

function listenToMap() {
  const plane = byId("map");
  plane.addEventListener("pointerover", ({ target }) => target.dataset?.grid && choose(target.dataset.grid));
  plane.addEventListener("pointerleave", () => choose(null));
  plane.addEventListener("blur", () => choose(null));
  plane.addEventListener("keydown", moveOnMap);
}

// A case that is pointed at in a list shows its grid on the map.
function pointFromLists() {
  const main = document.querySelector("main");
  const show = ({ target }) => {
    const link = target.closest?.("a.row");
    if (link) point(link.dataset.grid);
  };
  const hide = ({ target }) => target.closest?.("a.row") && point(null);
  main.addEventListener("pointerover", show);
  main.addEventListener("pointerout", hide);
  main.addEventListener("focusin", show);
  main.addEventListener("focusout", hide);
}

function point(code) {
  if (!pointer) return;
  const shape = shapes.get(code);
  pointer.setAttribute("visibility", shape ? "visible" : "hidden");
  if (shape) pointer.firstChild.setAttribute("d", shape.path.getAttribute("d"));
}

// ── A case, in the dialog ──────────────────────────────────────────────────────────────────────────────────────────

let opened = null; // The case that the dialog shows.
let openedAt = null; // Its last event, as far as the stream told.
const caseLeft = make("dd", "left");
const caseClock = { parts: { left: caseLeft }, get isConnected() { return caseLeft.isConnected; } };

const caseInAddress = () => new URLSearchParams(location.hash.slice(1)).get("case");

function followAddress() {
  const wanted = caseInAddress();
  if (wanted === opened) return;
  if (wanted) openCase(wanted);
  else byId("case").close();
}

function openCase(name) {
  opened = name;
  openedAt = null;
  setText(byId("case-title"), "…");
  setText(byId("case-place"), "");
  waiting("dialog.loading");
  if (!byId("case").open) byId("case").showModal();
  byId("case-title").focus();
  fetchCase(name);
}

function waiting(key) {
  byId("case-body").hidden = key !== null;
  byId("case-wait").hidden = key === null;
  if (key) setText(byId("case-wait"), words(key));
}

async function fetchCase(name) {
  const [status, life] = await lifeOf(name);
  await firstMessage; // The zone of its times comes with it.
  if (name !== opened) return;
  if (life) return showCase(life);
  if (status === 404) setText(byId("case-title"), name);
  waiting(status === 404 ? "dialog.gone" : "dialog.failed");
  if (status !== 404) setTimeout(() => name === opened && fetchCase(name), RETRY_MS);
}

// The status of the answer, none where there was none; and what it told.
async function lifeOf(name) {
  try {
    const response = await fetch(`/screen/${DISTRICT}/cases/${encodeURIComponent(name)}`);
    return [response.status, response.ok ? await response.json() : null];
  } catch {
    return [null, null];
  }
}

// Another event of the open case came by: read it again.
function refreshCase(events) {
  const last = opened && events.find((event) => event.case === opened)?.id;
  if (!last || last === openedAt) return;
  if (openedAt !== null || !byId("case-body").hidden) fetchCase(opened);
  openedAt = last;
}

function forgetCase() {
  opened = null;
  if (caseInAddress()) history.replaceState(null, "", location.pathname + location.search);
}

function showCase({ case: item, why_here, why_due, timeline }) {
  setName(byId("case-title"), item.category);
  setName(byId("case-place"), placeOf(item), words("case.no_place"));
  showFacts(item);
  showRows(byId("case-timeline"), timeline, (event) => event.id, buildHappened, updateHappened);
  showPairs(byId("case-here"), why_here ? whyHere(why_here) : [[null, words("why.waiting")]]);
  showPairs(byId("case-due"), why_due ? whyDue(why_due) : [[null, words("why.no_due")]]);
  waiting(null);
}

function showFacts(item) {
  const state = standing(item);
  const facts = byId("case-facts");
  showPairs(facts, [
    [words("dialog.state"), words(`state.${state}`), `state ${state}`],
    [words("dialog.line"), lineName(item.line)],
    [words("dialog.reference"), item.reference],
    [words("dialog.urgency"), words(`urgency.${item.urgency}`), item.urgency],
    [words("dialog.reported"), fully(item.reported)],
    [words("dialog.due"), item.due === null ? words("case.no_due") : fully(item.due)],
  ]);
  if (item.due === null || ["closed", "withdrawn", "ended"].includes(item.state)) return;
  const left = make("div");
  left.append(make("dt", "", words("dialog.left")), caseLeft);
  facts.append(left);
  run(caseClock, item.due, SOON, "case.no_due", "case.overdue");
}

// Terms and what they say; a list says several things, a code says its name.
function showPairs(list, pairs) {
  list.replaceChildren(...pairs.map(([term, said, name]) => {
    const pair = make("div", name ?? "");
    if (term) pair.append(make("dt", "", term));
    for (const one of [said].flat()) pair.append(saying(one));
    return pair;
  }));
}

function saying(said) {
  const node = make("dd");
  if (typeof said === "string") node.textContent = said;
  else setName(node, said.code);
  return node;
}

function whyHere(why) {
  const pairs = [
    [words("why.by"), words(`why.by.${why.by}`)],
    [words("why.claims"), why.claims.length ? why.claims.map(sayClaim) : words("why.claims.none")],
    [words("why.level"), words(`why.level.${why.level}`)],
  ];
  if (why.grid) pairs.push([words("why.grid"), [{ code: why.grid }, why.grid]]);
  if (why.street) pairs.push([words("why.street"), { code: why.street }]);
  if (why.row) pairs.push([words("why.row"), why.row]);
  if (why.rules.length) pairs.push([words("why.rules"), why.rules.map(sayRule)]);
  const versions = Object.entries(why.versions).filter(([, version]) => version);
  pairs.push([words("why.versions"), versions.map(([kind, version]) => `${words(`why.version.${kind}`)} ${version}`)]);
  return pairs;
}

function sayClaim({ by, lat, lon, code }) {
  return words(`why.claim.${by}`, { lat: lat?.toFixed(5), lon: lon?.toFixed(5), name: code ? named(code)[0] : "" });
}

const sayRule = (rule) => (has(`rule.${rule}`) ? words(`rule.${rule}`) : rule);

// A policy row as the log has it, "hotline/*/urgent: 24 hours", in words; any other text as it is.
function sayPolicy(rule) {
  if (rule === "line") return words("why.rule.line");
  const [, line, category, urgency, amount, unit] = /^(.+)\/(.+)\/(.+): (\d+) (hours|days)$/.exec(rule) ?? [];
  if (!line) return rule;
  return words("why.rule.row", {
    line: line === "*" ? words("why.rule.any.line") : lineName(line),
    category: category === "*" ? words("why.rule.any.category") : named(category)[0],
    urgency: urgency === "*" ? words("why.rule.any.urgency") : words(`urgency.${urgency}`),
    limit: words(`why.limit.${unit}`, { amount }),
  });
}

function whyDue(why) {
  const pairs = [[words("why.rule"), sayPolicy(why.rule)]];
  if (why.policies) pairs.push([words("why.policies"), why.policies]);
  pairs.push([words("why.started"), fully(why.started)]);
  const intervals = why.intervals.map(([from, to]) => `${fully(from)} – ${fully(to)} (${span(to - from)})`);
  pairs.push([words("why.interval"), intervals]);
  pairs.push([words("why.due"), fully(why.due)]);
  return pairs;
}

function buildHappened() {
  const row = make("li");
  row.parts = { time: make("time"), what: make("p", "what"), detail: make("p", "detail") };
  row.append(...Object.values(row.parts));
  return row;
}

function updateHappened(row, event) {
  const { time, what, detail } = row.parts;
  setText(time, fully(event.ts));
  setText(what, words(`event.${event.type}`));
  setClass(what, `what ${alarmOf(event.type)}`);
  setText(detail, sayDetails(event.detail));
  setClass(row, event.log);
}

const INSTANTS = new Set(["due", "answer_due", "started"]);

function sayDetails(detail) {
  return Object.entries(detail)
    .filter(([name]) => has(`detail.${name}`))
    .map(([name, value]) => `${words(`detail.${name}`)} ${sayDetail(name, value)}`)
    .join(" · ");
}

function sayDetail(name, value) {
  if (INSTANTS.has(name)) return fully(value);
  if (name === "to_level" || name === "from_level") return words(`why.level.${value}`);
  if (name === "rule") return sayPolicy(value);
  if (name === "located_by") return words(`why.by.${value}`);
  if (has(`detail.${name}.${value}`)) return words(`detail.${name}.${value}`);
  return named(String(value))[0];
}

function listenToDialog() {
  const dialog = byId("case");
  byId("case-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", forgetCase);
  addEventListener("hashchange", followAddress);
}

// ── The stream ─────────────────────────────────────────────────────────────────────────────────────────────────────

let source = null;
let heardMs = performance.now();
let whole = true; // The first message of a connection has all grids: what it does not name is quiet.
let drawing = false;

function connect() {
  source?.close();
  whole = true;
  heardMs = performance.now();
  source = new EventSource(`/screen/${DISTRICT}/live`);
  source.onopen = () => (whole = true);
  source.onmessage = ({ data }) => hear(JSON.parse(data));
}

function hear(message) {
  if (stoppedMs !== null && latest) say(words("health.back"));
  [latest, receivedMs, heardMs, stoppedMs] = [message, performance.now(), performance.now(), null];
  setZone(message.zone);
  heardFirst();
  takeGrids(message.grids);
  schedule();
}

function takeGrids(grids) {
  if (whole) {
    for (const code of counts.keys()) changed.add(code);
    counts.clear();
    whole = false;
  }
  for (const [code, told] of Object.entries(grids)) {
    counts.set(code, told);
    changed.add(code);
  }
}

// Messages may come faster than frames, and a hidden page has no frames: draw the last one, once.
function schedule() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    show();
  });
}

function show() {
  showGrids();
  if (!latest) return;
  showTotals(latest.totals);
  showSpeed(latest.speed);
  showLadder(latest.ladder);
  showLines(latest.lines);
  showEvents(latest.events);
  if (stoppedMs === null) showLag(latest.lag);
  sayCalls(latest.ladder.counts);
  refreshCase(latest.events);
  tick();
}

function watch() {
  const silentMs = performance.now() - heardMs;
  const closed = source.readyState !== EventSource.OPEN && silentMs > 1500;
  if (silentMs < QUIET_MS && !closed) return;
  if (stoppedMs === null) lost();
  health("lost", words("health.lost.since", { seconds: count(Math.round((performance.now() - receivedMs) / 1000)) }));
  if (silentMs > DEAF_MS || (source.readyState === EventSource.CLOSED && silentMs > RETRY_MS)) connect();
}

function lost() {
  stoppedMs = performance.now();
  say(words("health.lost"));
}

// ── Begin ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function listenToHeader() {
  const language = byId("language");
  language.addEventListener("click", () => (language.hash = location.hash));
  byId("districts")?.addEventListener("change", ({ target }) => {
    location.search = new URLSearchParams({ lang: LANGUAGE, district: target.value });
  });
}

listenToHeader();
listenToMap();
pointFromLists();
listenToDialog();
connect();
setInterval(watch, 1000);
setInterval(tick, CALM.matches ? 1000 : 250);
fetchMap().then(followAddress);
