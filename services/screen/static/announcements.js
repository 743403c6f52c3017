// What screen readers hear unasked: a lost connection, and now and then that there are more calls.

import { byId, setText } from "./dom.js";
import { formatCount, words } from "./words.js";

const PAUSE_MS = 60000; // Between two announcements of calls, at least.

let announcedMs = -PAUSE_MS;
let announcedDistrict = null; // Calls to the district when they were last announced.

export const announce = (text) => setText(byId("says"), text);

export function announceCalls({ street, district }) {
  if (announcedDistrict === null) announcedDistrict = district;
  if (district <= announcedDistrict || performance.now() - announcedMs < PAUSE_MS) return;
  [announcedMs, announcedDistrict] = [performance.now(), district];
  announce(words("says.calls", { district: formatCount(district), street: formatCount(street) }));
}
