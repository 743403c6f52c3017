// The words of the page in its language, and the form of its numbers.

import { byId } from "./dom.js";

const WORDS = JSON.parse(byId("words").textContent);

export const DISTRICT = document.documentElement.dataset.district;
export const LANGUAGE = document.documentElement.lang.startsWith("zh") ? "zh" : "en";

const numbers = new Intl.NumberFormat(LANGUAGE === "zh" ? "zh-CN" : "en");
export const formatCount = (value) => numbers.format(value);

// Return the words of a key, with its {names} replaced by values.
export function words(key, values = {}) {
  return (WORDS[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const hasWords = (key) => key in WORDS;
export const lineName = (line) => words(`line.${line}`);
