/** What is wrong with keys and values before they are sent, and when values are forgotten.
 *
 * What keys may be called, and what a dropped file most likely is. Pure functions: no value is looked at.
 * When values are forgotten by themselves: two minutes after the last key press, when the page is left, and when monoctl has ended.
 */

import { useEffect, useRef } from "preact/hooks";
import { onEnded } from "../../api/failures";
import { holds, type Keeper, type Row } from "./keeper";
import type { Values } from "./useValues";

/** How a source is read: as typed, a file's exact bytes under one key, or many keys that monoctl parses. */
export type Reading = "text" | "file" | "env" | "json";

/** The largest file that is read at all, in bytes: no secret can be larger. */
export const MAX_FILE = 1_048_576;

/** How many characters a field takes. Chromium draws dots in a time that grows with the square of them: minutes for a million. */
export const MOST_TYPED = 32_768;

/** How many keys a secret has at most. */
const MAX_KEYS = 64;

const KEY = /^[A-Za-z0-9_.-]{1,253}$/;

/** Say what is wrong with a key, "" if nothing is. The rule is that of monoskope.protocol.payload. It never repeats the key. */
export function keyProblem(key: string): string {
  if (key === "") return "Name the key.";
  if (key.includes("=")) return "A key has no “=”. The value goes into its own field.";
  if (!KEY.test(key)) return "A key has 1 to 253 of A–Z, a–z, 0–9, “_”, “.” and “-”.";
  if (key === "." || key.startsWith("..")) return "A key is not “.” and does not begin with “..”.";
  return "";
}

/** Return the keys that stand more than once among `keys`. */
export function twice(keys: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const found = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) found.add(key);
    seen.add(key);
  }
  return found;
}

/** Guess how a file is read, from its name alone. */
export function readingOf(name: string): Reading {
  const low = name.toLowerCase();
  if (low === ".env" || low.startsWith(".env.") || low.endsWith(".env")) return "env";
  return low.endsWith(".json") ? "json" : "file";
}

/** Make a key from a file's name: "tls key.pem" becomes "tls_key.pem". "" if nothing of it can stand in a key. */
export function keyOf(name: string): string {
  return name
    .replace(/[^A-Za-z0-9_.-]+/g, "_")
    .replace(/^\.+/, "")
    .slice(0, 253);
}

/** Whether pasted text holds lines of an env file rather than the name of a key. */
export function looksLikeLines(text: string): boolean {
  return text.includes("=") || text.trim().includes("\n");
}

/** Whether text pasted into the field of a value is an env file rather than a value: two of its lines are KEY=VALUE. */
export function looksLikeEnvFile(text: string): boolean {
  return (text.match(/^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=/gm) ?? []).length > 1;
}

/** Say a size in words, e.g. "1,234 bytes". */
export function bytes(size: number): string {
  return size === 1 ? "1 byte" : `${size.toLocaleString("en")} bytes`;
}

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

/** Return the problems to show: all of them after a try, before it only those of keys that are named already. */
export function shownProblems(values: Values, attempted: boolean, bounds: Bounds = {}): ReadonlyMap<number, string> {
  const all = values.problems(bounds);
  if (attempted) return all;
  const named = new Set(values.rows.filter((row) => row.key !== "").map(({ id }) => id));
  return new Map([...all].filter(([id, problem]) => problem !== EMPTY && named.has(id)));
}

/** How long typed values stay without a key press, in milliseconds. */
const KEPT_MS = 120_000;

/** Call `expired` two minutes after the last call of what is returned, and `left` when the page or the form is left, or monoctl has ended. */
export function useCare(expired: () => void, left: () => void): () => void {
  const timer = useRef(0);
  const latest = useRef({ expired, left });
  latest.current = { expired, left };
  useEffect(() => {
    const leave = () => latest.current.left();
    addEventListener("pagehide", leave);
    const settle = onEnded(leave);
    return () => {
      settle();
      removeEventListener("pagehide", leave);
      clearTimeout(timer.current);
      leave();
    };
  }, []);
  return () => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => latest.current.expired(), KEPT_MS);
  };
}
