// Rows that count down to an instant.

import { districtNow, formatSpan, SECOND } from "./district_time.js";
import { setClass, setText } from "./dom.js";
import { words } from "./words.js";

// A deadline is marked from here on. A call is marked in the last quarter of its time.
export const SOON = 3600 * SECOND;

const running = new Set();

// From now on a row counts down to `until`, null for never. It is marked when `soon` is left.
// `never` and `past` are the keys of its words without an end, and after it.
export function startCountdown(row, until, { soon, never, past }) {
  row.countdown = { until, soon, never, past };
  running.add(row);
  showCountdown(row, districtNow());
}

// From now on a row shows what it is given.
export const stopCountdown = (row) => running.delete(row);

export function showCountdowns(now) {
  for (const row of running) {
    if (row.isConnected) showCountdown(row, now);
    else running.delete(row);
  }
}

function showCountdown(row, now) {
  const { until, soon } = row.countdown;
  const left = until === null ? null : until - now;
  const state = left === null ? "" : left < 0 ? " gone" : left < soon ? " soon" : "";
  setText(row.parts.left, countdownText(left, row.countdown));
  setClass(row.parts.left, `left${state}`);
}

function countdownText(left, { never, past }) {
  if (left === null) return words(never);
  return left < 0 ? words(past, { left: formatSpan(left) }) : formatSpan(left);
}
