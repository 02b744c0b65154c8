/** Where the user is. The address never changes, so the browser's history learns no URI; Back and Forward work. */

import type { SecretsRequest } from "../api/documents/shown";

/** A view and what it shows, e.g. {view: "secret", uri: "vault://app/db"}. */
export interface Place {
  view: string;
  uri?: string;
  store?: string;
  requestId?: string;
  changeId?: string;
  /** With "secrets": which are shown, e.g. {state: "drifted"} or {search: "db"}. */
  secrets?: SecretsRequest;
}

interface Visited {
  place: Place;
  /** What had the focus when the user left: the text of its `data-at`. */
  focus: string;
  scrolled: number;
}

const visited: Visited[] = [{ place: { view: "secrets" }, focus: "", scrolled: 0 }];
let current = 0;
const listeners = new Set<() => void>();

/** Return where the user is. */
export function here(): Place {
  return visited[current]?.place ?? { view: "secrets" };
}

/** Return what had the focus when the user was last here, and how far the page was scrolled; "" and 0 for the first time. */
export function remembered(): { focus: string; scrolled: number } {
  return { focus: visited[current]?.focus ?? "", scrolled: visited[current]?.scrolled ?? 0 };
}

/** Go to a place. */
export function go(place: Place): void {
  leave();
  visited.splice(current + 1, Infinity, { place, focus: "", scrolled: 0 });
  current += 1;
  history.pushState(current, "");
  tell();
}

/** Say that the user is at the same place with other filters: Back leaves it with one step. */
export function amend(place: Place): void {
  const now = visited[current];
  if (now !== undefined) now.place = place;
  tell();
}

/** Call `listener` whenever the user has gone elsewhere; return what ends that. */
export function onGone(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow the browser's Back and Forward. Call it once. */
export function follow(): void {
  history.scrollRestoration = "manual";
  history.replaceState(current, "");
  addEventListener("popstate", (event) => {
    leave();
    if (typeof event.state === "number" && event.state < visited.length) current = event.state;
    tell();
  });
}

function leave(): void {
  const now = visited[current];
  if (now === undefined) return;
  const focused = document.activeElement;
  now.focus = (focused instanceof HTMLElement && focused.dataset["at"]) || "";
  now.scrolled = scrollY;
}

function tell(): void {
  for (const listener of [...listeners]) listener();
}
