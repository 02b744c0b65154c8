/** Where the user is. The address never changes, so the browser's history learns no URI; Back and Forward work. */

/** A view and what it shows, e.g. {view: "secret", uri: "vault://app/db"}. `form` opens a form over it. */
export interface Place {
  view: string;
  uri?: string;
  store?: string;
  requestId?: string;
  search?: string;
}

const places: Place[] = [{ view: "secrets" }];
let current = 0;
const listeners = new Set<() => void>();

/** Return where the user is. */
export function here(): Place {
  return places[current] ?? { view: "secrets" };
}

/** Go to a place. */
export function go(place: Place): void {
  places.splice(current + 1, Infinity, place);
  current += 1;
  history.pushState(current, "");
  tell();
}

/** Call `listener` whenever the user has gone elsewhere; return what ends that. */
export function onGone(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow the browser's Back and Forward. Call it once. */
export function follow(): void {
  history.replaceState(current, "");
  addEventListener("popstate", (event) => {
    if (typeof event.state === "number" && event.state < places.length) current = event.state;
    tell();
  });
}

function tell(): void {
  for (const listener of listeners) listener();
}
