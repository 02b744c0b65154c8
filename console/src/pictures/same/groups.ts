/** Groups of equal values, filtered, and the columns of the picture of them. Pure. */

import type { Group } from "../../api/documents/pictures";

export interface Wanted {
  /** Only values that stand in several stores. */
  acrossStores: boolean;
  /** Only values that stand in this store; "" for any. */
  store: string;
  /** Text that a place's URI or key contains. */
  search: string;
}

/** Return the groups that are wanted, those with the most places first. */
export function wantedGroups(groups: readonly Group[], wanted: Wanted): Group[] {
  const search = wanted.search.trim().toLowerCase();
  return groups
    .filter(
      (group) =>
        (!wanted.acrossStores || group.stores > 1) &&
        (wanted.store === "" || group.places.some((place) => place.store === wanted.store)) &&
        (search === "" || group.fingerprint.startsWith(search) || group.places.some((place) => `${place.uri} ${place.key}`.toLowerCase().includes(search))),
    )
    .sort((a, b) => b.places.length - a.places.length || b.stores - a.stores || a.fingerprint.localeCompare(b.fingerprint));
}

/** Return how many groups have a place in each store, the most first. */
export function storesOf(groups: readonly Group[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const group of groups) for (const store of new Set(group.places.map((place) => place.store))) counts.set(store, (counts.get(store) ?? 0) + 1);
  return new Map([...counts].sort(([a, many], [b, more]) => more - many || a.localeCompare(b)));
}

/** Return the stores that get a column of their own; all further ones share the last, "". */
export function columnsOf(stores: readonly string[], most: number): string[] {
  return stores.length <= most ? [...stores] : [...stores.slice(0, most - 1), ""];
}

/** Return how many places of a group are in each column. */
export function inColumns(group: Group, columns: readonly string[]): number[] {
  const counts = columns.map(() => 0);
  for (const place of group.places) {
    const at = columns.indexOf(place.store);
    const column = at < 0 ? columns.length - 1 : at;
    counts[column] = (counts[column] ?? 0) + 1;
  }
  return counts;
}

/** Return the URIs of a group's places by the key under which the value stands there, the key with the most places first. */
export function byKey({ places }: Group): [string, string[]][] {
  const found = new Map<string, string[]>();
  for (const { key, uri } of places) found.set(key, [...(found.get(key) ?? []), uri]);
  return [...found].sort(([, a], [, b]) => b.length - a.length);
}

/** What is known of all groups: how many values, places, and values in several stores. */
export function figuresOf(groups: readonly Group[]): { values: number; places: number; across: number } {
  return {
    values: groups.length,
    places: groups.reduce((sum, group) => sum + group.places.length, 0),
    across: groups.filter((group) => group.stores > 1).length,
  };
}
