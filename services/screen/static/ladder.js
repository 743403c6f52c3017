// The ladder: open calls to the district and the streets, and the next deadlines of the grids.

import { SOON, startCountdown } from "./countdown.js";
import { formatFull, formatShort } from "./district_time.js";
import { byId, make, setClass, setText, setTitle } from "./dom.js";
import { nameOf, placeOf, setBriefName, setName, setTitledName, shortStreet } from "./names.js";
import { buildRow, linkRow, showRows } from "./rows.js";
import { formatCount, LANGUAGE, words } from "./words.js";

export function showLadder(ladder, { overdue }) {
  for (const level of ["district", "street"]) {
    const list = byId(`calls-${level}`);
    showRows(list, ladder[level], (call) => call.call, buildCall, updateCall);
  }
  const deadlines = byId("deadlines");
  showRows(deadlines, ladder.grid, (item) => item.case, buildDeadline, updateDeadline);
  for (const level of ["district", "street", "grid"]) {
    const total = ladder.counts[level];
    setText(byId(`count-${level}`), formatCount(total));
    byId(`rung-${level}`).classList.toggle("called", level !== "grid" && total > 0);
  }
  showEmptyStreets(overdue);
}

// Without a call to a street, tell if its grids are in time: an answered call may be about a case
// that is still overdue.
function showEmptyStreets(overdue) {
  const state = overdue ? words("ladder.overdue", { overdue: formatCount(overdue) }) : "";
  const sentences = [words("ladder.street.empty"), state || words("ladder.in_time")];
  setText(byId("calls-street-empty"), sentences.join(LANGUAGE === "zh" ? "" : " "));
}

const buildCall = () => buildRow("who", "heard", "left", "what", "since");
const buildDeadline = () => buildRow("who", "left", "what", "since");

function updateCall(row, call) {
  const { who, heard, what, since } = row.parts;
  const because = `call.because.${call.because}`;
  const state = call.acknowledged ? "call.acknowledged" : "call.unacknowledged";
  linkRow(row, call);
  setReceiver(who, call);
  setMatter(what, call.category, placeOf(call));
  setText(since, words("call.since", { because: words(because), time: formatShort(call.raised) }));
  setTitle(since, `${words(`${because}.hint`)} · ${formatFull(call.raised)}`);
  setText(heard, words(state));
  setTitle(heard, words(`${state}.hint`));
  setClass(heard, call.acknowledged ? "heard" : "heard not");
  const soon = (call.answer_due - call.raised) / 4;
  startCountdown(row, call.answer_due, { soon, never: "call.unlimited", past: "call.silent" });
}

// Name who must answer: a street by its name. The district is only one, and its part of the ladder
// names it, so there the row names the street that calls.
function setReceiver(node, call) {
  const climbed = call.to === "district" && call.street !== null && call.street !== call.unit;
  if (!climbed) return setTitledName(node, call.unit);
  const [text] = nameOf(call.street);
  setText(node, words("call.from", { name: LANGUAGE === "en" ? shortStreet(text) : text }));
  setTitle(node, `${nameOf(call.unit)[0]} ← ${text}`);
}

function updateDeadline(row, item) {
  const { who, what, since } = row.parts;
  linkRow(row, item);
  setTitledName(who, placeOf(item), words("case.no_place"));
  setTitledName(what, item.category);
  setText(since, item.due === null ? "" : words("case.due", { time: formatShort(item.due) }));
  startCountdown(row, item.due, { soon: SOON, never: "case.no_due", past: "case.overdue" });
}

// Set the category and the place: "噪声扰民 · 第三网格".
function setMatter(node, category, place) {
  const isNew = node.children.length === 0;
  const [what, where] = isNew ? [make("span"), make("span", "from")] : node.children;
  if (isNew) node.append(what, where);
  setName(what, category);
  setBriefName(where, place);
  setTitle(node, `${what.textContent} · ${where.title}`);
}
