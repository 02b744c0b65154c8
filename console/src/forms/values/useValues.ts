/** The values of a form, for as long as it is open; and the question before they are lost.
 *
 * Tells the frame that values are entered and not sent, so that leaving asks.
 * The values of one form: rows to show, and a keeper that no rendering touches.
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { callWithValues, type Part, Refused } from "../../api/call";
import type { Names } from "../../api/documents/sending";
import type { FormProps } from "../../state/openForm";
import { collect, endsWithBreak, forgetAll, forgetOne, forgetTyped, hold, holds, holdsAny, type Keeper, newKeeper, type Row, Unreadable } from "./keeper";
import { type Bounds, keyOf, keysOf, MAX_FILE, parsed, problemsOf, type Reading, readingOf, useCare } from "./rules";

/** Have the frame look at the fields themselves when somebody leaves: a rendering would tell it too late of the last key. */
export function useUnsent(values: Values, setUnsent: FormProps["setUnsent"]): void {
  useLayoutEffect(() => {
    setUnsent(() => (values.unsent() ? "What you entered is not sent yet." : null));
    return () => setUnsent(() => null);
  }, []);
}

/** What of a row the user changes. */
type Change = Partial<Pick<Row, "key" | "trim" | "empty" | "reading">>;

type Forgotten = "no" | "expired" | "sent";

export interface Values {
  rows: readonly Row[];
  /** Counts how often typed values were forgotten: part of the elements' keys, so that their undo history goes, too. */
  generation: number;
  /** Why they were forgotten, if nothing was typed since: after two minutes, or because they were sent. */
  forgotten: Forgotten;
  add: () => void;
  /** Add a row for each of these keys that has none yet, in place of empty rows. */
  addKeys: (keys: readonly string[]) => void;
  addFiles: (files: Iterable<File>) => void;
  /** Keep pasted lines of an env file, in place of an empty row. */
  addPasted: (text: string) => void;
  change: (id: number, change: Change) => void;
  remove: (id: number) => void;
  hold: (id: number, field: HTMLTextAreaElement) => () => void;
  /** A key was pressed in the field of a row. */
  touched: (id: number) => void;
  /** Whether something would be lost, at the moment of the call. */
  unsent: () => boolean;
  keys: () => string[];
  problems: (bounds?: Bounds) => Map<number, string>;
  /** Copies of all values, for one call. @throws Unreadable */
  copies: () => Promise<Part[]>;
  forget: () => void;
}

/** What the functions of this module share: the keeper, and how rows are replaced. */
interface Inner {
  held: Keeper;
  replace: (change: (rows: readonly Row[]) => readonly Row[]) => void;
  began: () => void;
}

let lastId = 0;

function newRow(reading: Reading, key: string, name = "", size = 0): Row {
  lastId += 1;
  return { id: lastId, reading, key, name, size, keys: null, problem: "", endsWithBreak: false, trim: false, filled: false, empty: false };
}

/** Begin with one empty row for each of `keys`. */
export function useValues(keys: readonly string[] = [""]): Values {
  const keeper = useRef<Keeper | null>(null);
  const held = (keeper.current ??= newKeeper());
  const [rows, replace] = useState<readonly Row[]>(() => keys.map((key) => newRow("text", key)));
  const [generation, setGeneration] = useState(0);
  const [forgotten, setForgotten] = useState<Forgotten>("no");
  const forgot = (why: Forgotten) => {
    replace((before) => withoutForgotten(before, held, why === "sent"));
    setGeneration((before) => before + 1);
    setForgotten(why);
  };
  const expire = () => forgetTyped(held) && forgot("expired");
  const inner: Inner = { held, replace, began: useCare(expire, () => forgetAll(held)) };
  return {
    rows,
    generation,
    forgotten,
    add: () => replace((before) => [...before, newRow("text", "")]),
    addKeys: (keys) => adopt(inner, ...keys.filter((key) => !keysOf(rows).includes(key)).map((key) => newRow("text", key))),
    addFiles: (files) => [...files].forEach((file) => addFile(inner, file)),
    addPasted: (text) => addPasted(inner, text),
    change: (id, change) => rows.filter((row) => row.id === id).forEach((row) => changed(inner, row, change)),
    remove: (id) => {
      forgetOne(held, id);
      replace((before) => before.filter((row) => row.id !== id));
    },
    hold: (id, field) => hold(held, id, field),
    touched: (id) => {
      setForgotten("no");
      touched(inner, id);
    },
    unsent: () => holdsAny(held),
    keys: () => keysOf(rows),
    problems: (bounds) => problemsOf(rows, held, bounds),
    copies: () => collect(held, rows),
    forget: () => {
      forgetAll(held);
      forgot("sent");
    },
  };
}

/** Return the rows that are left after values were forgotten: typed ones, emptied, and files if they can still be sent. */
function withoutForgotten(rows: readonly Row[], held: Keeper, all: boolean): readonly Row[] {
  const left = rows.filter((row) => row.reading === "text" || (!all && held.files.has(row.id)));
  return left.map((row) => (row.reading === "text" ? { ...row, endsWithBreak: false, filled: false, empty: false } : row));
}

function set({ replace }: Inner, id: number, change: Partial<Row>): void {
  replace((before) => before.map((row) => (row.id === id ? { ...row, ...change } : row)));
}

function addFile(inner: Inner, file: File): void {
  const reading = readingOf(file.name);
  const row = newRow(reading, reading === "file" ? keyOf(file.name) : "", file.name, file.size);
  if (file.size > MAX_FILE) row.problem = "The file is larger than any secret can be (1 MiB).";
  inner.held.files.set(row.id, file);
  adopt(inner, row);
}

function addPasted(inner: Inner, text: string): void {
  const content = new TextEncoder().encode(text);
  const row = newRow("env", "", "the pasted lines", content.length);
  if (content.length > MAX_FILE) row.problem = "These lines are more than any secret can be (1 MiB).";
  inner.held.pasted.set(row.id, content);
  inner.began();
  adopt(inner, row);
}

/** Add rows in the place of those in which nothing was entered. */
function adopt(inner: Inner, ...added: Row[]): void {
  const blank = (one: Row) => one.reading === "text" && one.key === "" && !holds(inner.held, one.id);
  inner.replace((before) => [...before.filter((one) => !blank(one)), ...added]);
  for (const row of added) void learn(inner, row);
}

function changed(inner: Inner, row: Row, change: Change): void {
  const { reading } = change;
  if (reading === undefined || reading === row.reading) {
    set(inner, row.id, change);
    return;
  }
  const read = { ...row, ...change, keys: null, problem: "", key: reading === "file" ? keyOf(row.name) : "" };
  set(inner, row.id, read);
  void learn(inner, read);
}

function touched(inner: Inner, id: number): void {
  inner.began();
  const typed = inner.held.fields.get(id)?.value ?? "";
  const now = { endsWithBreak: typed.endsWith("\n"), filled: typed !== "" };
  inner.replace((before) => {
    const row = before.find((one) => one.id === id);
    if (row === undefined || (row.endsWithBreak === now.endsWithBreak && row.filled === now.filled)) return before;
    return before.map((one) => (one === row ? { ...one, ...now, empty: one.empty && !now.filled } : one));
  });
}

/** Find out what can be known of a file without showing a value: its keys, or whether it ends with a line break. */
async function learn(inner: Inner, row: Row): Promise<void> {
  const file = inner.held.files.get(row.id);
  if (row.problem !== "") return;
  if (parsed(row)) set(inner, row.id, await named(inner.held, row));
  else if (file !== undefined) set(inner, row.id, { endsWithBreak: await endsWithBreak(file) });
}

/** Ask monoctl which keys a file has. The page parses no value. */
async function named(held: Keeper, row: Row): Promise<Partial<Row>> {
  try {
    const { keys } = await callWithValues<Names>("names", {}, await collect(held, [row]));
    return { keys, problem: "" };
  } catch (error) {
    if (error instanceof Refused) return { keys: null, problem: `${error.failure.message} ${error.failure.fix}`.trim() };
    if (error instanceof Unreadable) return { keys: null, problem: error.message };
    throw error;
  }
}
