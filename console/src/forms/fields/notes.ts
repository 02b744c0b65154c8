/** Labels and the day of expiry, as a form has them before they are sent. Neither is secret. */

import type { Notes } from "../../api/documents/sending";

export interface LabelPair {
  id: number;
  name: string;
  value: string;
}

export interface NotesDraft {
  labels: "keep" | "replace" | "clear";
  pairs: readonly LabelPair[];
  expiry: "keep" | "set" | "remove";
  /** YYYY-MM-DD. */
  day: string;
}

/** Nothing changes. */
export const KEPT: NotesDraft = { labels: "keep", pairs: [], expiry: "keep", day: "" };

let lastId = 0;

export function newPair(name = "", value = ""): LabelPair {
  lastId += 1;
  return { id: lastId, name, value };
}

const NAME = /^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/;

/** Say what is wrong with one label, "" for nothing. */
export function labelProblem(pair: LabelPair, all: readonly LabelPair[]): string {
  if (pair.name === "") return "Name the label.";
  if (!NAME.test(pair.name)) return "A label's name has 1 to 63 of a–z, 0–9, “.”, “_”, “/” and “-”, a letter or digit at both ends.";
  if (pair.value.length > 128) return "A label's value has at most 128 characters.";
  return all.some((other) => other !== pair && other.name === pair.name) ? "This label is there twice." : "";
}

/** Say what is wrong with a day, "" for nothing. */
export function dayProblem(day: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(day)) ? "" : "Choose a day.";
}

/** Whether a draft can be sent. */
export function notesValid(draft: NotesDraft): boolean {
  const labels = draft.labels !== "replace" || (draft.pairs.length > 0 && draft.pairs.length <= 16 && draft.pairs.every((pair) => labelProblem(pair, draft.pairs) === ""));
  return labels && (draft.expiry !== "set" || dayProblem(draft.day) === "");
}

/** Return what is sent. */
export function notesOf(draft: NotesDraft): Notes {
  const labels = { keep: null, clear: {}, replace: Object.fromEntries(draft.pairs.map(({ name, value }) => [name, value])) }[draft.labels];
  const expires_on = { keep: null, set: draft.day, remove: "" }[draft.expiry];
  return { labels, expires_on };
}

/** Return the day so many days from today, by the calendar of UTC. */
export function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}
