/** Sentences that the user should know and that stop nothing. They stay until they are dismissed. */

import { cell } from "./cell";

interface Note {
  id: number;
  text: string;
  tone: "info" | "good" | "warn";
  at: string;
}

/** The newest first, at most fifty. */
export const notes = cell<Note[]>([]);

let last = 0;

/** Show a sentence. One that is shown already is moved to the top. */
export function addNote(text: string, tone: Note["tone"] = "info"): void {
  last += 1;
  const others = notes.get().filter((note) => note.text !== text);
  notes.set([{ id: last, text, tone, at: new Date().toISOString() }, ...others].slice(0, 50));
  announce(text);
}

/** Remove one note, or all. */
export function dismiss(id?: number): void {
  notes.set(id === undefined ? [] : notes.get().filter((note) => note.id !== id));
}

/** What screen readers say next. */
export const announced = cell("");

/** Have screen readers say a sentence when they have finished the one before. Nothing is shown. */
export function announce(text: string): void {
  announced.set("");
  queueMicrotask(() => announced.set(text));
}
