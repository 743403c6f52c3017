// The names of codes: grids, streets, categories.

import { setText, setTitle } from "./dom.js";
import { LANGUAGE, words } from "./words.js";

let names = {}; // Code → language → name.

export const setNames = (ofCodes) => (names = ofCodes);

// Return the name of a code, and its language.
export function nameOf(code) {
  const known = names[code];
  if (known?.[LANGUAGE]) return [known[LANGUAGE], LANGUAGE];
  const isChinese = known?.zh || /[㐀-鿿]/.test(code ?? "");
  return [known?.zh ?? known?.en ?? code ?? "", isChinese ? "zh" : LANGUAGE];
}

export const placeOf = (item) => item.grid ?? item.street;

export function setName(node, code, otherwise = "") {
  const [text, language] = code ? nameOf(code) : [otherwise, LANGUAGE];
  setText(node, text);
  setLanguage(node, language);
}

// A place and a category may be long: they take one line, and the title has all of it.
export function setTitledName(node, code, otherwise) {
  setName(node, code, otherwise);
  setTitle(node, node.textContent);
}

// In a narrow column a name goes without its "(dedicated · market)", which the title has.
export function setBriefName(node, code) {
  const [text, language] = code ? nameOf(code) : [words("case.no_place"), LANGUAGE];
  setText(node, text.replace(/[（(][^）)]*[）)]$/, ""));
  setTitle(node, text);
  setLanguage(node, language);
}

function setLanguage(node, language) {
  const lang = language === LANGUAGE ? "" : language === "zh" ? "zh-CN" : "en";
  if (node.lang !== lang) node.lang = lang;
}

// On the map every street is a street: its name says enough.
export function shortStreet(name) {
  const suffix = /街道(办事处)?$|\s+(sub-?district|street)$/i;
  return name.length > 2 ? name.replace(suffix, "") : name;
}
