/** What is wrong with the values of a form, row by row, told before anything is sent. */

import { holds, type Keeper, type Row } from "./keeper";
import { keyProblem, MAX_KEYS, twice } from "./rules";

/** Return each key that the rows have, as far as it is known. */
export function keysOf(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => (row.keys === null ? (row.key === "" ? [] : [row.key]) : row.keys.map(({ key }) => key)));
}

/** How values become secrets: whether one row may be left empty, and how many keys there are at most. */
export interface Bounds {
  optional?: boolean;
  most?: number;
}

/** Return what is wrong, by row; a row that is fine has no entry. */
export function problemsOf(rows: readonly Row[], keeper: Keeper, { optional = false, most = MAX_KEYS }: Bounds = {}): Map<number, string> {
  const found = new Map<number, string>();
  const keys = keysOf(rows);
  const doubled = twice(keys);
  for (const row of rows) {
    const blank = row.reading === "text" && row.key === "" && !holds(keeper, row.id);
    if (optional && blank && rows.length === 1) continue;
    const problem = parsed(row) ? inFile(row, doubled) : inField(row, keeper, doubled);
    if (problem !== "") found.set(row.id, problem);
  }
  const last = rows[rows.length - 1];
  if (keys.length > most && last !== undefined) found.set(last.id, `A secret has at most ${most} keys. These are ${keys.length}. Remove some, or put one secret for each key.`);
  return found;
}

/** Whether monoctl reads the keys out of it. */
export function parsed(row: Row): boolean {
  return row.reading === "env" || row.reading === "json";
}

function inFile(row: Row, doubled: ReadonlySet<string>): string {
  if (row.problem !== "") return row.problem;
  if (row.keys === null) return "monoctl is still reading this. Wait a moment.";
  const both = row.keys.find(({ key }) => doubled.has(key));
  return both === undefined ? "" : `The key ${both.key} is there twice. Remove one.`;
}

function inField(row: Row, keeper: Keeper, doubled: ReadonlySet<string>): string {
  if (row.problem !== "") return row.problem;
  const wrong = keyProblem(row.key);
  if (wrong !== "") return wrong;
  if (doubled.has(row.key)) return "This key is there twice. Remove one.";
  return row.reading === "text" && !row.empty && !holds(keeper, row.id) ? EMPTY : "";
}

/** What is said of a field without a value: easily done by mistake, so it must be said. */
export const EMPTY = "Enter the value. If it shall be empty, tick “The value is empty”.";
