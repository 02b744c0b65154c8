/** The secrets that a form is about, as store and path, before they are known to be valid. */

import { useState } from "preact/hooks";
import type { Store } from "../../api/documents/stores";
import { partsOf } from "../../parts";
import type { Start } from "../../state/openForm";
import { type Names, pathProblem, uriOf } from "../uris";

export interface Place {
  id: number;
  /** "" for the default store, until the user chooses. */
  store: string;
  path: string;
  /** Whether it comes from a selection, and can only be removed. */
  fixed: boolean;
}

export interface Places {
  list: readonly Place[];
  /** The full URIs, in order, also of those that are not valid yet. */
  uris: readonly string[];
  /** What is wrong, by place. */
  problems: ReadonlyMap<number, string>;
  change: (id: number, change: Partial<Pick<Place, "store" | "path">>) => void;
  add: () => void;
  remove: (id: number) => void;
  /** The store of a place, the default filled in. */
  storeOf: (place: Place) => string;
}

/** What is said at the field of the store. */
export const NO_STORE = "Choose a store.";

let lastId = 0;

function newPlace(uri: string, fixed = false): Place {
  lastId += 1;
  return { id: lastId, ...partsOf(uri), fixed };
}

/** Begin with what the form was opened for, or with one empty place. */
export function usePlaces(start: Start, stores: readonly Store[], names: Names = "secret"): Places {
  const [list, setList] = useState<readonly Place[]>(() => begun(start));
  const fallback = stores.find((store) => store.is_default)?.name ?? (stores.length === 1 ? (stores[0]?.name ?? "") : "");
  const storeOf = (place: Place) => place.store || fallback;
  const uris = list.map((place) => uriOf({ store: storeOf(place), path: place.path }));
  return {
    list,
    uris,
    problems: problemsOf(list, uris, storeOf, names),
    change: (id, change) => setList((before) => before.map((place) => (place.id === id ? { ...place, ...change } : place))),
    add: () => setList((before) => [...before, { ...newPlace(""), store: before[before.length - 1]?.store ?? "", path: before[before.length - 1]?.path ?? "" }]),
    remove: (id) => setList((before) => before.filter((place) => place.id !== id)),
    storeOf,
  };
}

function begun({ uri, uris, store, prefix }: Start): readonly Place[] {
  if (uris !== undefined && uris.length > 0) return uris.map((one) => newPlace(one, true));
  if (uri !== undefined) return [newPlace(uri)];
  if (prefix !== undefined) return [newPlace(prefix.endsWith("/") ? prefix : `${prefix}/`)];
  return [newPlace(store === undefined ? "" : `${store}://`)];
}

function problemsOf(list: readonly Place[], uris: readonly string[], storeOf: (place: Place) => string, names: Names): Map<number, string> {
  const found = new Map<number, string>();
  list.forEach((place, at) => {
    if (storeOf(place) === "") found.set(place.id, NO_STORE);
    else if (pathProblem(place.path, names) !== "") found.set(place.id, pathProblem(place.path, names));
    else if (uris.indexOf(uris[at] ?? "") < at) found.set(place.id, "This secret is named twice. Remove one.");
  });
  return found;
}
