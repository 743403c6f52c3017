// The room of lists: on a wide screen a list shows as many whole rows as it has room for.

const WIDE = matchMedia("(min-width: 1200px) and (min-height: 620px)"); // As in layout.css.

let rooms = new WeakMap(); // List → number of rows.

addEventListener("resize", () => (rooms = new WeakMap()));

// Hide the rows for which a list has no room. The style sheet does so on a page that scrolls.
export function fitRows(list) {
  if (!list.closest(".fit")) return;
  const room = WIDE.matches ? roomOf(list) : Infinity;
  [...list.children].forEach((row, index) => (row.hidden = index >= room));
}

function roomOf(list) {
  if (!rooms.has(list) && list.firstElementChild) rooms.set(list, measureRoom(list));
  return rooms.get(list) ?? Infinity;
}

function measureRoom(list) {
  const panel = list.closest(".fit");
  const top = list.getBoundingClientRect().top - panel.getBoundingClientRect().top;
  const left = panel.clientHeight - parseFloat(getComputedStyle(panel).paddingBottom) - top;
  return Math.max(1, Math.floor(left / list.firstElementChild.offsetHeight));
}
