// The map: a shape for each grid, coloured by what is open there.

import { byId, makeSvg, setClass, setText } from "./dom.js";
import { nameOf, setNames, shortStreet } from "./names.js";
import { DISTRICT, formatCount, words } from "./words.js";

const RETRY_MS = 3000;
const NOTHING = [0, 0, 0];

export const shapes = new Map(); // Grid → { path, street, dedicated, centre }.
const counts = new Map(); // Grid → [open, overdue, calling].
const changed = new Set(); // Grids that are not yet drawn again.
const rings = new Map(); // Grid → the ring around it while it calls.
let ringLayer, outline;

export const countsOf = (grid) => counts.get(grid) ?? NOTHING;

// Fetch the map and show it, however often that takes; then call `shown`.
export async function loadMap(shown) {
  try {
    const response = await fetch(`/screen/${DISTRICT}/map`);
    if (!response.ok) throw new Error(response.statusText);
    showMap(await response.json());
    shown();
  } catch {
    setText(byId("map-count"), words("map.failed"));
    setTimeout(() => loadMap(shown), RETRY_MS);
  }
}

function showMap(map) {
  setNames(map.names);
  const viewBox = `-4 -4 ${map.width + 8} ${map.height + 8}`;
  const svg = makeSvg("svg", { viewBox, preserveAspectRatio: "xMidYMin", "aria-hidden": "true" });
  drawShapes(svg, map.grids);
  byId("map").replaceChildren(svg);
  const boxes = boxesOfStreets();
  if (map.schematic) frameStreets(svg, boxes);
  ringLayer = makeSvg("g", { class: "rings" }, svg);
  labelStreets(svg, map.streets, boxes);
  outline = makeSvg("g", { class: "pointer", visibility: "hidden" }, svg);
  makeSvg("path", { transform: "scale(.1)" }, outline);
  setText(byId("map-count"), words("map.grids", { count: formatCount(map.grids.length) }));
  byId("map-schematic").hidden = !map.schematic;
  for (const code of shapes.keys()) changed.add(code);
}

function drawShapes(svg, grids) {
  const layer = makeSvg("g", { transform: "scale(.1)", class: "grids" }, svg);
  for (const [code, street, dedicated, d] of grids) {
    const path = makeSvg("path", { d, "data-grid": code }, layer);
    shapes.set(code, { path, street, dedicated, centre: null });
  }
}

function boxesOfStreets() {
  const boxes = new Map();
  for (const { path, street } of shapes.values()) {
    boxes.set(street, extendBox(boxes.get(street), path.getBBox()));
  }
  return boxes;
}

function extendBox(box, { x, y, width, height }) {
  const [left, top, right, bottom] = box ?? [x, y, x, y];
  return [
    Math.min(left, x), Math.min(top, y), Math.max(right, x + width), Math.max(bottom, y + height),
  ];
}

// In a schematic map a street is a box around its grids.
function frameStreets(svg, boxes) {
  const layer = makeSvg("g", { transform: "scale(.1)", class: "frames" }, svg);
  for (const [x, y, right, bottom] of boxes.values()) {
    makeSvg("rect", { x, y, width: right - x, height: bottom - y }, layer);
  }
}

function labelStreets(svg, streets, boxes) {
  const layer = makeSvg("g", { class: "labels" }, svg);
  for (const [code, x, y] of streets) {
    const [name, language] = nameOf(code);
    const text = makeSvg("text", { x, y, lang: language === "zh" ? "zh-CN" : "en" }, layer);
    text.textContent = shortStreet(name);
    fitLabel(text, boxes.get(code));
  }
}

// Set a name that is wider than its street smaller, so that it does not run into its neighbour's.
function fitLabel(text, [left, , right]) {
  const share = ((right - left) / 10 - 6) / text.getComputedTextLength();
  if (share >= 1) return;
  const size = parseFloat(getComputedStyle(text).fontSize);
  text.style.fontSize = `${Math.max(0.7, share) * size}px`;
}

// Store counts from the stream. The first message of a connection has all grids that are not quiet.
export function receiveGrids(grids, isFirst) {
  if (isFirst) {
    for (const code of counts.keys()) changed.add(code);
    counts.clear();
  }
  for (const [code, ofGrid] of Object.entries(grids)) {
    counts.set(code, ofGrid);
    changed.add(code);
  }
}

// Draw the grids that changed; return their codes.
export function drawGrids() {
  if (!shapes.size) return [];
  const drawn = [...changed].filter((code) => shapes.has(code));
  for (const code of drawn) drawGrid(code, shapes.get(code));
  changed.clear();
  return drawn;
}

function drawGrid(code, shape) {
  const [open, overdue, calling] = countsOf(code);
  const heat = open >= 4 ? 3 : open >= 2 ? 2 : open > 0 ? 1 : 0;
  const kind = calling ? "calling" : overdue ? "overdue" : `open-${heat}`;
  setClass(shape.path, shape.dedicated ? `${kind} dedicated` : kind);
  if (calling) addRing(code, shape);
  else removeRing(code);
}

function addRing(code, shape) {
  if (rings.has(code)) return;
  const [cx, cy] = centreOf(shape);
  rings.set(code, makeSvg("circle", { cx, cy, r: 12 }, ringLayer));
}

function removeRing(code) {
  rings.get(code)?.remove();
  rings.delete(code);
}

export function centreOf(shape) {
  if (!shape.centre) {
    const { x, y, width, height } = shape.path.getBBox();
    shape.centre = [(x + width / 2) / 10, (y + height / 2) / 10];
  }
  return shape.centre;
}

// Outline a grid; without one, hide the outline.
export function outlineGrid(code) {
  if (!outline) return;
  const shape = shapes.get(code);
  outline.setAttribute("visibility", shape ? "visible" : "hidden");
  if (shape) outline.firstChild.setAttribute("d", shape.path.getAttribute("d"));
}
