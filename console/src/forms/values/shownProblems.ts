/** Which problems of values are told at once, and which only after the first try to send. */

import { type Bounds, EMPTY } from "./problems";
import type { Values } from "./useValues";

/** Return the problems to show: all of them after a try, before it only those of keys that are named already. */
export function shownProblems(values: Values, attempted: boolean, bounds: Bounds = {}): ReadonlyMap<number, string> {
  const all = values.problems(bounds);
  if (attempted) return all;
  const named = new Set(values.rows.filter((row) => row.key !== "").map(({ id }) => id));
  return new Map([...all].filter(([id, problem]) => problem !== EMPTY && named.has(id)));
}
