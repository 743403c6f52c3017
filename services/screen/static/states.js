// The words for a case and for a decision, and its alarm, which is also a class of the style sheet.

import { hasWords, words } from "./words.js";

// Return what matters most of a case.
export function mostUrgentState(item) {
  return item.calling ? "calling" : item.overdue ? "overdue" : item.state;
}

// The most alarming first. An event may also name a level: "call-raised.street".
const ALARMS = {
  "call-raised": "calling",
  "case-parked": "calling",
  "deadline-missed": "overdue",
};

// Return the alarm of a decision: that of its most alarming event.
export function alarmOf(events) {
  const types = new Set(events.map((event) => event.split(".")[0]));
  return ALARMS[Object.keys(ALARMS).find((type) => types.has(type))] ?? "";
}

// Return one sentence for all events of a decision.
export function sentenceOf(events) {
  const key = `event.${events.join("+")}`;
  if (hasWords(key)) return words(key);
  const [first, ...others] = events.map((type) => words(`event.${type}`));
  return [first, ...others.map(lowerFirst)].join(words("event.and"));
}

const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1);
