// The latest events of the district.

import { formatClock, formatFull } from "./district_time.js";
import { byId, setClass, setText, setTitle } from "./dom.js";
import { placeOf, setBriefName } from "./names.js";
import { buildRow, linkRow, showRows } from "./rows.js";
import { alarmOf, sentenceOf } from "./states.js";

export function showEvents(events) {
  showRows(byId("events"), events, (event) => event.id, buildEvent, updateEvent);
}

const buildEvent = () => buildRow("since", "what", "who");

function updateEvent(row, event) {
  const { since, what, who } = row.parts;
  linkRow(row, event);
  setText(since, formatClock(event.ts));
  setTitle(since, formatFull(event.ts));
  setText(what, sentenceOf(event.events));
  setTitle(what, what.textContent);
  setClass(what, `what ${alarmOf(event.events)}`);
  setBriefName(who, placeOf(event));
}
