// The four lines: their counts, and their latest cases.

import { formatFull, formatShort } from "./district_time.js";
import { byId, setClass, setText, setTitle } from "./dom.js";
import { placeOf, setBriefName, setTitledName } from "./names.js";
import { buildRow, linkRow, showRows } from "./rows.js";
import { mostUrgentState } from "./states.js";
import { formatCount, words } from "./words.js";

export function showLines(lines) {
  for (const [line, shown] of Object.entries(lines)) {
    for (const name of ["accepted", "open", "overdue"]) {
      setText(byId(`line-${line}-${name}`), formatCount(shown[name]));
    }
    byId(`line-${line}-overdue`).closest(".figure").classList.toggle("some", shown.overdue > 0);
    const list = byId(`latest-${line}`);
    showRows(list, shown.latest, (item) => item.case, buildLatest, updateLatest);
  }
}

const buildLatest = () => buildRow("what", "since", "who", "state");

function updateLatest(row, item) {
  const { what, since, who, state } = row.parts;
  linkRow(row, item);
  setTitledName(what, item.category);
  setText(since, formatShort(item.reported));
  setTitle(since, formatFull(item.reported));
  setBriefName(who, placeOf(item));
  setText(state, words(`state.${mostUrgentState(item)}`));
  setClass(state, `state ${mostUrgentState(item)}`);
}
