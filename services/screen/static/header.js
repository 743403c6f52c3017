// The header: totals, clock, health, and the choice of language and district.

import { formatClock, formatDate } from "./district_time.js";
import { byId, setClass, setText, setTitle } from "./dom.js";
import { formatCount, LANGUAGE, words } from "./words.js";

// A page that opens finds a quiet district up to 6 s behind, for a second.
const BEHIND_SECONDS = 7;

export function showTotals(totals) {
  for (const [name, value] of Object.entries(totals)) {
    const node = byId(`total-${name}`);
    if (!node) continue;
    setText(node, formatCount(value));
    node.closest(".total").classList.toggle("some", value > 0);
  }
}

export function showClock(now) {
  setText(byId("clock"), formatClock(now));
  setText(byId("date"), formatDate(now));
}

export function showSpeed(speed) {
  const node = byId("speed");
  setText(node, speed === 1 ? words("speed.earnest") : words("speed", { speed }));
  setTitle(node, speed === 1 ? "" : words("speed.hint", { speed }));
}

export function showLag({ rows, seconds }) {
  const behind = seconds > BEHIND_SECONDS;
  const shown = seconds < 10 ? seconds.toFixed(1) : formatCount(Math.round(seconds));
  showHealth(behind ? "behind" : "good", words(behind ? "health.behind" : "health.good"));
  setText(byId("lag"), words("health.lag", { rows: formatCount(rows), seconds: shown }));
}

export function showHealth(state, text) {
  setClass(byId("health"), `health ${state}`);
  setText(byId("health-word"), text);
}

export function listenToHeader() {
  const language = byId("language");
  language.addEventListener("click", () => (language.hash = location.hash));
  byId("districts")?.addEventListener("change", ({ target }) => {
    location.search = new URLSearchParams({ lang: LANGUAGE, district: target.value });
  });
}
