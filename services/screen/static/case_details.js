// The details of a case: its facts, what happened, why it is here and why it is due then.

import { SOON, startCountdown } from "./countdown.js";
import { formatFull, formatSpan } from "./district_time.js";
import { byId, make, setClass, setText } from "./dom.js";
import { nameOf, placeOf, setName } from "./names.js";
import { showRows } from "./rows.js";
import { alarmOf, mostUrgentState, sentenceOf } from "./states.js";
import { hasWords, lineName, words } from "./words.js";

const ENDED = ["closed", "withdrawn", "ended"];
const INSTANTS = ["due", "answer_due", "started"];

const timeLeft = make("dd", "left");
const countdown = {
  parts: { left: timeLeft },
  get isConnected() {
    return timeLeft.isConnected;
  },
};

export function showCase({ case: item, why_here, why_due, timeline }) {
  setName(byId("case-title"), item.category);
  setName(byId("case-place"), placeOf(item), words("case.no_place"));
  showFacts(item);
  const list = byId("case-timeline");
  showRows(list, timeline, (event) => event.id, buildEvent, updateEvent);
  const here = why_here ? placePairs(why_here) : [[null, words("why.waiting")]];
  showPairs(byId("case-here"), here);
  showPairs(byId("case-due"), why_due ? duePairs(why_due) : [[null, words("why.no_due")]]);
}

function showFacts(item) {
  const state = mostUrgentState(item);
  const facts = byId("case-facts");
  showPairs(facts, [
    [words("dialog.state"), words(`state.${state}`), `state ${state}`],
    [words("dialog.line"), lineName(item.line)],
    [words("dialog.reference"), item.reference],
    [words("dialog.urgency"), words(`urgency.${item.urgency}`), item.urgency],
    [words("dialog.reported"), formatFull(item.reported)],
    [words("dialog.due"), item.due === null ? words("case.no_due") : formatFull(item.due)],
  ]);
  if (item.due === null || ENDED.includes(item.state)) return;
  const left = make("div");
  left.append(make("dt", "", words("dialog.left")), timeLeft);
  facts.append(left);
  startCountdown(countdown, item.due, { soon: SOON, never: "case.no_due", past: "case.overdue" });
}

// Show terms and their values. A value is a text, a { code } with a name, or a list of them.
function showPairs(list, pairs) {
  const nodes = pairs.map(([term, value, name]) => {
    const pair = make("div", name ?? "");
    if (term) pair.append(make("dt", "", term));
    for (const one of [value].flat()) pair.append(makeValue(one));
    return pair;
  });
  list.replaceChildren(...nodes);
}

function makeValue(value) {
  const node = make("dd");
  if (typeof value === "string") node.textContent = value;
  else setName(node, value.code);
  return node;
}

function placePairs(why) {
  const claims = why.claims.length ? why.claims.map(claimText) : words("why.claims.none");
  const pairs = [
    [words("why.by"), words(`why.by.${why.by}`)],
    [words("why.claims"), claims],
    [words("why.level"), words(`why.level.${why.level}`)],
  ];
  if (why.grid) pairs.push([words("why.grid"), [{ code: why.grid }, why.grid]]);
  if (why.street) pairs.push([words("why.street"), { code: why.street }]);
  if (why.row) pairs.push([words("why.row"), why.row]);
  if (why.rules.length) pairs.push([words("why.rules"), why.rules.map(flagText)]);
  const versions = Object.entries(why.versions)
    .filter(([, version]) => version)
    .map(([kind, version]) => `${words(`why.version.${kind}`)} ${version}`);
  pairs.push([words("why.versions"), versions]);
  return pairs;
}

function claimText({ by, lat, lon, code }) {
  const name = code ? nameOf(code)[0] : "";
  return words(`why.claim.${by}`, { lat: lat?.toFixed(5), lon: lon?.toFixed(5), name });
}

const flagText = (flag) => (hasWords(`rule.${flag}`) ? words(`rule.${flag}`) : flag);

function duePairs(why) {
  const pairs = [[words("why.rule"), ruleText(why.rule)]];
  if (why.policies) pairs.push([words("why.policies"), why.policies]);
  pairs.push([words("why.started"), formatFull(why.started)]);
  const intervals = why.intervals.map(
    ([from, to]) => `${formatFull(from)} – ${formatFull(to)} (${formatSpan(to - from)})`,
  );
  pairs.push([words("why.interval"), intervals]);
  pairs.push([words("why.due"), formatFull(why.due)]);
  return pairs;
}

// Return a policy row of the log, "hotline/*/urgent: 24 hours", in words; any other text as it is.
function ruleText(rule) {
  if (rule === "line") return words("why.rule.line");
  const row = /^(.+)\/(.+)\/(.+): (\d+) (hours|days)$/.exec(rule);
  if (!row) return rule;
  const [, line, category, urgency, amount, unit] = row;
  const anyOr = (value, field, name) => (value === "*" ? words(`why.rule.any.${field}`) : name());
  return words("why.rule.row", {
    line: anyOr(line, "line", () => lineName(line)),
    category: anyOr(category, "category", () => nameOf(category)[0]),
    urgency: anyOr(urgency, "urgency", () => words(`urgency.${urgency}`)),
    limit: words(`why.limit.${unit}`, { amount }),
  });
}

function buildEvent() {
  const row = make("li");
  row.parts = { time: make("time"), what: make("p", "what"), detail: make("p", "detail") };
  row.append(...Object.values(row.parts));
  return row;
}

function updateEvent(row, event) {
  const { time, what, detail } = row.parts;
  setText(time, formatFull(event.ts));
  setText(what, sentenceOf(event.events));
  setClass(what, `what ${alarmOf(event.events)}`);
  setText(detail, detailsText(event.detail));
  setClass(row, event.log);
}

function detailsText(detail) {
  return Object.entries(detail)
    .filter(([name]) => hasWords(`detail.${name}`))
    .map(([name, value]) => `${words(`detail.${name}`)} ${detailText(name, value)}`)
    .join(" · ");
}

function detailText(name, value) {
  if (INSTANTS.includes(name)) return formatFull(value);
  if (name === "to_level" || name === "from_level") return words(`why.level.${value}`);
  if (name === "rule") return ruleText(value);
  if (name === "located_by") return words(`why.by.${value}`);
  const key = `detail.${name}.${value}`;
  return hasWords(key) ? words(key) : nameOf(String(value))[0];
}
