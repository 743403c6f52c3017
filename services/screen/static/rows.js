// Lists of rows, kept by key.

import { byId, make } from "./dom.js";
import { fitRows } from "./room.js";

const HOLD_MS = 15000; // A list is held for a pointer or a focus, but not for ever: it would age.
const POINTS = matchMedia("(hover: hover)");

const nodesOf = new WeakMap(); // List → key → node.
let touchedMs = -HOLD_MS;

for (const kind of ["pointermove", "keydown"]) {
  addEventListener(kind, () => (touchedMs = performance.now()), { passive: true });
}

// Rows must not run away from under a pointer or a focus that is about to choose one.
function isHeld(list) {
  if (performance.now() - touchedMs > HOLD_MS || byId("case").open) return false;
  const isPointedAt = POINTS.matches && list.matches(":hover");
  return isPointedAt || list.querySelector(":focus-visible") !== null;
}

export function showRows(list, items, keyOf, build, update) {
  const known = nodesOf.get(list) ?? nodesOf.set(list, new Map()).get(list);
  const held = isHeld(list) && known.size > 0;
  list.classList.toggle("held", held);
  if (!held) arrangeRows(list, known, items, keyOf, build);
  for (const item of items) {
    const node = known.get(keyOf(item));
    if (node) update(node, item);
  }
  fitRows(list);
  const empty = byId(`${list.id}-empty`);
  if (empty) empty.hidden = known.size > 0;
}

// Remove all rows: the list is about to be another one.
export function clearRows(list) {
  nodesOf.delete(list);
  list.replaceChildren();
}

function arrangeRows(list, known, items, keyOf, build) {
  const keys = new Set(items.map(keyOf));
  for (const [key, node] of known) {
    if (keys.has(key)) continue;
    known.delete(key);
    removeRow(node);
  }
  let next = list.firstChild;
  for (const key of keys) {
    const node = known.get(key) ?? known.set(key, build()).get(key);
    if (node === next) next = next.nextSibling;
    else list.insertBefore(node, next);
  }
}

// Remove a row. A focus on it goes to its neighbour and not to the top of the page.
function removeRow(node) {
  if (node.contains(document.activeElement)) {
    const neighbour = node.nextElementSibling ?? node.previousElementSibling;
    neighbour?.querySelector("a")?.focus({ preventScroll: true });
  }
  node.remove();
}

// A row is one link to its case: a click, Enter, or its address opens it.
export function buildRow(...parts) {
  const row = make("li");
  const link = make("a", "row");
  row.parts = { link };
  for (const part of parts) link.append((row.parts[part] = make("span", part)), " ");
  row.append(link);
  return row;
}

export function linkRow(row, item) {
  const { link } = row.parts;
  const target = `#case=${encodeURIComponent(item.case)}`;
  if (link.getAttribute("href") !== target) link.setAttribute("href", target);
  link.dataset.grid = item.grid ?? "";
}
