// The address after "#" names the open dialog, so that it can be reloaded and sent on.

export const inAddress = (name) => new URLSearchParams(location.hash.slice(1)).get(name);

// Go back to the address of the page, or to that of the dialog behind the one that was closed.
export function leaveAddress(name, behind) {
  if (inAddress(name) === null) return;
  history.replaceState(null, "", location.pathname + location.search + behind);
}
