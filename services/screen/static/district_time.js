// District time: how far it has passed, and how it is written. Instants are microseconds.

import { LANGUAGE, words } from "./words.js";

export const SECOND = 1e6;

let known = null; // The time and speed of the latest message.
let receivedMs = 0;
let stoppedMs = null; // Nothing counts down while no message comes, because we do not know.
let zone = null;
let clockFormat, dayFormat, dateFormat, stampFormat;

let resolveFirst;
export const firstTime = new Promise((resolve) => (resolveFirst = resolve));

export function setTime(message) {
  [known, receivedMs, stoppedMs] = [message, performance.now(), null];
  setZone(message.zone);
  resolveFirst();
}

export const stopTime = () => (stoppedMs = performance.now());
export const isTimeStopped = () => stoppedMs !== null;
export const isTimeKnown = () => known !== null;
export const secondsSinceMessage = () => (performance.now() - receivedMs) / 1000;

export function districtNow() {
  if (!known) return 0;
  const passedMs = (stoppedMs ?? performance.now()) - receivedMs;
  return known.now + passedMs * 1000 * known.speed;
}

function setZone(name) {
  if (name === zone) return;
  zone = name;
  const locale = LANGUAGE === "zh" ? "zh-CN" : "en-GB";
  const format = (language, options) =>
    new Intl.DateTimeFormat(language, { timeZone: name, hourCycle: "h23", ...options });
  const hourAndMinute = { hour: "2-digit", minute: "2-digit" };
  clockFormat = format(locale, { ...hourAndMinute, second: "2-digit" });
  stampFormat = format("en-GB", hourAndMinute);
  dayFormat = format("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" });
  dateFormat = format(locale, { year: "numeric", month: "long", day: "numeric", weekday: "short" });
}

const dateOf = (instant) => new Date(instant / 1000);
const formatDay = (instant) => dayFormat.format(dateOf(instant));

export const formatClock = (instant) => clockFormat.format(dateOf(instant));
export const formatDate = (instant) => dateFormat.format(dateOf(instant));
export const formatFull = (instant) => `${formatDay(instant)} ${formatClock(instant)}`;

// 14:05 today, 11-23 14:05 on another day.
export function formatShort(instant) {
  const time = stampFormat.format(dateOf(instant));
  const day = formatDay(instant);
  return day === formatDay(districtNow()) ? time : `${day.slice(5)} ${time}`;
}

const twoDigits = (value) => String(value).padStart(2, "0");

// A span without its sign: 0:12:33, or 3 d 04:12 from two days on.
export function formatSpan(micros) {
  const seconds = Math.floor(Math.abs(micros) / SECOND);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours < 48) return `${hours}:${twoDigits(minutes)}:${twoDigits(seconds % 60)}`;
  const time = `${twoDigits(hours % 24)}:${twoDigits(minutes)}`;
  return words("left.days", { days: Math.floor(hours / 24), time });
}
