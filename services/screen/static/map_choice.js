// The choice of a grid on the map, by pointer, by keyboard, or from a list; and the tip beside it.

import { byId, setText } from "./dom.js";
import { listOfGrid } from "./list.js";
import { centreOf, countsOf, outlineGrid, shapes } from "./map.js";
import { nameOf, setName } from "./names.js";
import { words } from "./words.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const FINGER_PX = 22; // Half of what a finger covers.

let chosen = null;

function choose(code) {
  chosen = shapes.has(code) ? code : null;
  const tip = byId("tip");
  tip.hidden = chosen === null;
  outlineGrid(chosen);
  if (!chosen) return;
  showTip(chosen);
  placeTip(tip, shapes.get(chosen).path.getBoundingClientRect());
}

// Show the tip again if the counts of its grid are among those that changed.
export function refreshTip(codes) {
  if (codes.includes(chosen)) showTip(chosen);
}

function showTip(code) {
  const [name, kind, numbers] = byId("tip").children;
  const { street, dedicated } = shapes.get(code);
  setName(name, code);
  setText(kind, `${nameOf(street)[0]} · ${words(dedicated ? "map.dedicated" : "map.basic")}`);
  setText(numbers, countsText(code));
}

function countsText(code) {
  const [open, overdue, calling] = countsOf(code);
  if (open + overdue + calling === 0) return words("map.quiet");
  return words("map.counts", { open, overdue, calling });
}

function placeTip(tip, at) {
  const panel = tip.parentElement.getBoundingClientRect();
  const left = at.left + at.width / 2 - panel.left - tip.offsetWidth / 2;
  const above = at.top - panel.top - tip.offsetHeight - 8;
  const top = above < 0 ? at.bottom - panel.top + 8 : above;
  tip.style.left = `${Math.round(Math.max(0, Math.min(left, panel.width - tip.offsetWidth)))}px`;
  tip.style.top = `${Math.round(top)}px`;
}

// Open the list of a grid's cases.
function openGrid(code) {
  if (shapes.has(code)) location.hash = listOfGrid(code);
}

function moveByKey(event) {
  const step = STEPS[event.key];
  const opens = event.key === " " && chosen;
  if (!shapes.size || !(step || opens || event.key === "Enter")) return;
  event.preventDefault();
  if (opens) return openGrid(chosen);
  choose(step ? neighbourOf(chosen, step) : nextAlarm(chosen));
  if (!chosen) return;
  const { street } = shapes.get(chosen);
  const parts = [nameOf(chosen)[0], nameOf(street)[0], countsText(chosen)];
  setText(byId("map-says"), parts.join(", "));
}

// Return the nearest grid in a direction. Distance across the direction counts double.
function neighbourOf(code, [dx, dy]) {
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
  const alarms = [...shapes.keys()].filter((grid) => countsOf(grid)[1] || countsOf(grid)[2]);
  return alarms[(alarms.indexOf(code) + 1) % alarms.length] ?? code;
}

// Return the grid that a finger means: the most urgent one beneath it, else the one it touches.
function gridNear({ clientX, clientY, target }) {
  const matrix = byId("map").firstElementChild?.getScreenCTM();
  if (!matrix) return null;
  const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(matrix.inverse());
  const near = [...shapes.keys()].filter((grid) => {
    const [gx, gy] = countsOf(grid).some(Boolean) ? centreOf(shapes.get(grid)) : [Infinity, 0];
    return Math.hypot(gx - x, gy - y) * matrix.a <= FINGER_PX;
  });
  const urgency = (grid) => countsOf(grid).findLastIndex((count) => count > 0);
  near.sort((one, other) => urgency(other) - urgency(one));
  return near[0] ?? target.dataset?.grid ?? null;
}

export function listenToMap() {
  const plane = byId("map");
  plane.addEventListener("pointerover", ({ target, pointerType }) => {
    if (pointerType !== "touch" && target.dataset?.grid) choose(target.dataset.grid);
  });
  plane.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") choose(null);
  });
  plane.addEventListener("click", (event) => {
    if (event.pointerType !== "touch") return openGrid(event.target.dataset?.grid);
    const grid = gridNear(event);
    if (grid && grid === chosen) openGrid(grid); // The first touch shows what is there.
    else choose(grid);
  });
  addEventListener("pointerdown", ({ target, pointerType }) => {
    if (pointerType === "touch" && !plane.contains(target)) choose(null);
  });
  plane.addEventListener("blur", () => choose(null));
  plane.addEventListener("keydown", moveByKey);
}

// A case that is pointed at in a list outlines its grid on the map.
export function listenToLists() {
  const main = document.querySelector("main");
  const show = ({ target }) => {
    const link = target.closest?.("a.row");
    if (link) outlineGrid(link.dataset.grid);
  };
  const hide = ({ target }) => target.closest?.("a.row") && outlineGrid(null);
  main.addEventListener("pointerover", show);
  main.addEventListener("pointerout", hide);
  main.addEventListener("focusin", show);
  main.addEventListener("focusout", hide);
}
