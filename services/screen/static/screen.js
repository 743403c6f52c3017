// The live page of one district. Here its parts are put together, each in a file of its own.

import { announceCalls } from "./announcements.js";
import { followAddress, listenToDialog, refreshCase, renameCase } from "./case.js";
import { showCountdowns } from "./countdown.js";
import { districtNow, isTimeKnown, isTimeStopped } from "./district_time.js";
import { showEvents } from "./events.js";
import { listenToHeader, showClock, showLag, showSpeed, showTotals } from "./header.js";
import { showLadder } from "./ladder.js";
import { showLines } from "./lines.js";
import { followList, listenToList } from "./list.js";
import { listenToStream, scheduleDraw } from "./live.js";
import { drawGrids, loadMap, receiveGrids } from "./map.js";
import { listenToLists, listenToMap, refreshTip } from "./map_choice.js";

const CALM = matchMedia("(prefers-reduced-motion: reduce)");

function draw(message) {
  refreshTip(drawGrids());
  if (!message) return;
  showTotals(message.totals);
  showSpeed(message.speed);
  showLadder(message.ladder, message.totals);
  showLines(message.lines);
  showEvents(message.events);
  if (!isTimeStopped()) showLag(message.lag);
  announceCalls(message.ladder.counts);
  refreshCase(message.events);
  showTime();
}

function showTime() {
  if (!isTimeKnown()) return;
  const now = districtNow();
  showClock(now);
  showCountdowns(now);
}

listenToHeader();
listenToMap();
listenToLists();
listenToList();
listenToDialog();
listenToStream((message, isFirst) => receiveGrids(message.grids, isFirst), draw);
setInterval(showTime, CALM.matches ? 1000 : 250);
loadMap(() => {
  scheduleDraw();
  renameCase();
}).then(() => {
  followList();
  followAddress();
});
