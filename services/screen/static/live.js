// The live stream: one connection, watched, and its latest message drawn at most once a frame.

import { announce } from "./announcements.js";
import {
  isTimeKnown, isTimeStopped, secondsSinceMessage, setTime, stopTime,
} from "./district_time.js";
import { showHealth } from "./header.js";
import { DISTRICT, formatCount, words } from "./words.js";

const WATCH_MS = 1000;
const CLOSED_MS = 1500; // A connection that is not open is lost after this silence,
const QUIET_MS = 5000; // and an open one after this: the stream has a message each second.
const RETRY_MS = 3000;
const RECONNECT_MS = 15000; // A half-open connection never reports its end.

let source = null;
let messageMs = performance.now();
let isFirst = true; // The next message is the first of its connection.
let latest = null;
let isScheduled = false;
let receive, draw;

// Listen to the stream. `receive(message, isFirst)` gets each message, `draw(message)` the latest.
export function listenToStream(onMessage, onFrame) {
  [receive, draw] = [onMessage, onFrame];
  connect();
  setInterval(watch, WATCH_MS);
}

function connect() {
  source?.close();
  isFirst = true;
  messageMs = performance.now();
  source = new EventSource(`/screen/${DISTRICT}/live`);
  source.onopen = () => (isFirst = true);
  source.onmessage = ({ data }) => handleMessage(JSON.parse(data));
}

function handleMessage(message) {
  if (isTimeStopped() && isTimeKnown()) announce(words("health.back"));
  [latest, messageMs] = [message, performance.now()];
  setTime(message);
  receive(message, isFirst);
  isFirst = false;
  scheduleDraw();
}

// Draw with the next frame. Messages may come faster than frames, and a hidden page has none.
export function scheduleDraw() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    draw(latest);
  });
}

function watch() {
  const silentMs = performance.now() - messageMs;
  const isClosed = source.readyState !== EventSource.OPEN && silentMs > CLOSED_MS;
  if (silentMs < QUIET_MS && !isClosed) return;
  if (!isTimeStopped()) {
    stopTime();
    announce(words("health.lost"));
  }
  const seconds = formatCount(Math.round(secondsSinceMessage()));
  showHealth("lost", words("health.lost.since", { seconds }));
  const hasFailed = source.readyState === EventSource.CLOSED && silentMs > RETRY_MS;
  if (silentMs > RECONNECT_MS || hasFailed) connect();
}
