/** Where values are until they are sent: in the elements of the page, on the user's disk, or in bytes that are overwritten.
 *
 * Nothing of this is in Preact's state, properties or attributes. It is the only module that reads a value.
 */

import type { Part } from "../../api/call";
import { MAX_FILE, type Reading } from "./rules";

/** What the page knows of one source of values: everything but the values. */
export interface Row {
  id: number;
  reading: Reading;
  /** The key that it is put under; "" for sources with keys of their own. */
  key: string;
  /** The file's name; "" for what is typed. */
  name: string;
  /** Of a file, in bytes. */
  size: number;
  /** What monoctl found in it; null until it has answered, and for one key. */
  keys: { key: string; size: number }[] | null;
  /** Why it cannot be read; "" if it can. */
  problem: string;
  /** Whether the value ends with a line break, and whether that is removed. */
  endsWithBreak: boolean;
  trim: boolean;
  /** Whether something is typed. */
  filled: boolean;
  /** Whether the user said that nothing is typed because the value is empty. */
  empty: boolean;
}

/** Holds the values of one form. It has no text form: `JSON.stringify` and templates show nothing of it. */
export interface Keeper {
  readonly fields: Map<number, HTMLTextAreaElement>;
  readonly files: Map<number, File>;
  readonly pasted: Map<number, Uint8Array>;
}

/** Hold the element in which a value is typed; what is returned ends that, and empties the element. */
export function hold(keeper: Keeper, id: number, field: HTMLTextAreaElement): () => void {
  keeper.fields.set(id, field);
  return () => {
    field.value = "";
    if (keeper.fields.get(id) === field) keeper.fields.delete(id);
  };
}

export function newKeeper(): Keeper {
  return { fields: new Map(), files: new Map(), pasted: new Map() };
}

/** A value cannot be read. Its message names the file or the key, never the value. */
export class Unreadable extends Error {}

/** Whether anything is held for `id` that would be lost. */
export function holds(keeper: Keeper, id: number): boolean {
  return keeper.files.has(id) || keeper.pasted.has(id) || (keeper.fields.get(id)?.value ?? "") !== "";
}

/** Whether anything at all is held that would be lost, now: also what no rendering has seen yet. */
export function holdsAny(keeper: Keeper): boolean {
  return keeper.files.size > 0 || holdsTyped(keeper);
}

function holdsTyped(keeper: Keeper): boolean {
  return keeper.pasted.size > 0 || [...keeper.fields.values()].some((field) => field.value !== "");
}

/** Overwrite what was typed and pasted; return whether there was any. What lies in files stays there and can still be sent. */
export function forgetTyped(keeper: Keeper): boolean {
  const any = holdsTyped(keeper);
  for (const field of keeper.fields.values()) field.value = "";
  for (const bytes of keeper.pasted.values()) bytes.fill(0);
  keeper.pasted.clear();
  return any;
}

/** Forget everything, files too. */
export function forgetAll(keeper: Keeper): void {
  forgetTyped(keeper);
  keeper.files.clear();
}

/** Forget one source. */
export function forgetOne(keeper: Keeper, id: number): void {
  const field = keeper.fields.get(id);
  if (field !== undefined) field.value = "";
  keeper.pasted.get(id)?.fill(0);
  keeper.pasted.delete(id);
  keeper.files.delete(id);
}

/** Copy the values of all rows into parts for `callWithValues`, which overwrites them.
 *
 * @throws Unreadable if a file has changed or is gone; then what was read is overwritten.
 */
export async function collect(keeper: Keeper, rows: readonly Row[]): Promise<Part[]> {
  const parts: Part[] = [];
  try {
    for (const row of rows) parts.push({ source: sourceOf(row), bytes: await bytesOf(keeper, row) });
  } catch (error) {
    for (const part of parts) part.bytes.fill(0);
    throw error;
  }
  return parts;
}

function sourceOf(row: Row): Part["source"] {
  if (row.reading === "env" || row.reading === "json") return { kind: row.reading, name: row.name };
  return row.trim && row.endsWithBreak ? { kind: "value", key: row.key, trim: true } : { kind: "value", key: row.key };
}

async function bytesOf(keeper: Keeper, row: Row): Promise<Uint8Array> {
  const pasted = keeper.pasted.get(row.id);
  if (pasted !== undefined) return pasted.slice();
  const file = keeper.files.get(row.id);
  if (file !== undefined) return readFile(file);
  const field = keeper.fields.get(row.id);
  if (field === undefined) throw new Unreadable("A value was cleared. Enter it again.");
  // TextEncoder would write U+FFFD in the place of half a character, and another value would be put.
  if (/\p{Surrogate}/u.test(field.value)) throw new Unreadable("A value is not Unicode text. Use a file for bytes.");
  return new TextEncoder().encode(field.value);
}

async function readFile(file: File): Promise<Uint8Array> {
  if (file.size > MAX_FILE) throw new Unreadable(`${file.name} is larger than any secret can be.`);
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Unreadable(`${file.name} cannot be read: it has changed, or it is gone. Add it again.`);
  }
}

/** Whether a file ends with a line feed: only its last byte is read. */
export async function endsWithBreak(file: File): Promise<boolean> {
  try {
    return new Uint8Array(await file.slice(-1).arrayBuffer())[0] === 0x0a;
  } catch {
    return false;
  }
}
