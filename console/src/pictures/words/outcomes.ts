/** Outcomes of requests in words, and how often each came.
 *
 * What ended how: outcomes in seven kinds, so that a picture needs seven colours and not twenty.
 */

import { grouped } from "../../parts/words/Labels";

/** The kinds, in the order in which they are drawn from the axis upwards; "failed" is drawn below the axis. */
export const KINDS = ["written", "deleted", "unchanged", "looked", "drift", "other", "failed"] as const;
export type Kind = (typeof KINDS)[number];

/** What a kind is called, and what it means. */
export const KIND_WORDS: Record<Kind, { title: string; meaning: string }> = {
  written: { title: "Written", meaning: "Something was written into an engine, or got its first receipt." },
  deleted: { title: "Deleted", meaning: "A secret was removed from its engine." },
  unchanged: { title: "Nothing to write", meaning: "The same content was there already." },
  looked: { title: "Looked at", meaning: "A reactor looked into the engine and found what was expected, or compared." },
  drift: { title: "Drift found", meaning: "The engine holds something else, or nothing." },
  other: { title: "Other", meaning: "Labels or a day of expiry were edited, or this console does not know the outcome." },
  failed: { title: "Failed", meaning: "The request ended without success, or nobody knows how it ended." },
};

const KIND_OF: Record<string, Kind> = {
  UPLOADED: "written",
  COPIED: "written",
  IMPORTED: "written",
  UNDELETED: "written",
  ROLLED_BACK: "written",
  DELETED: "deleted",
  UNCHANGED: "unchanged",
  COMPARED: "looked",
  EQUAL: "looked",
  DIFFERENT: "looked",
  IN_SYNC: "looked",
  VERIFIED: "looked",
  LISTED: "looked",
  DRIFTED: "drift",
  GONE: "drift",
  EDITED: "other",
};

/** Return the kind of an outcome such as "UPLOADED" or "FAILED: CONFLICT". */
export function kindOf(outcome: string): Kind {
  return outcome.startsWith("FAILED") ? "failed" : (known(KIND_OF, outcome) ?? "other");
}

/** How many of each kind. */
export type Counts = Record<Kind, number>;

/** Add up outcomes by kind. */
export function byKind(outcomes: Record<string, number>): Counts {
  const counts: Counts = { written: 0, deleted: 0, unchanged: 0, looked: 0, drift: 0, other: 0, failed: 0 };
  for (const [outcome, count] of Object.entries(outcomes)) counts[kindOf(outcome)] += count;
  return counts;
}

/** Add up outcomes of several, by outcome. */
export function sum(many: Record<string, number>[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const outcomes of many) for (const [outcome, count] of Object.entries(outcomes)) all[outcome] = (known(all, outcome) ?? 0) + count;
  return all;
}

/** Return the total of a record of counts. */
export function total(counts: Record<string, number>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

/** Return the least round number of at least `value`, for an axis; 1 for nothing. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value && Number.isInteger(step)) ?? 1;
}

/** "1 secret", "3 secrets", "12,000 secrets". */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

const OUTCOME_WORDS: Record<string, string> = {
  UPLOADED: "put",
  UNCHANGED: "put again, nothing to write",
  COPIED: "copied",
  IMPORTED: "imported",
  UNDELETED: "undeleted",
  ROLLED_BACK: "rolled back",
  DELETED: "deleted",
  COMPARED: "compared",
  EQUAL: "compared: equal",
  DIFFERENT: "compared: different",
  IN_SYNC: "verified: in sync",
  VERIFIED: "verified",
  DRIFTED: "verified: drifted",
  GONE: "verified: gone",
  LISTED: "listed upstream",
  EDITED: "notes edited",
};

const REASON_WORDS: Record<string, string> = {
  BAD_PAYLOAD: "what was sent could not be opened",
  CONFLICT: "something else was upstream",
  KEY_LOST: "the reactor lost its key",
  OUTCOME_UNKNOWN: "the reactor lost touch with its engine",
  UPSTREAM_UNAVAILABLE: "the engine did not answer",
  UPSTREAM_REFUSED: "reactor or engine refused",
  CANNOT_READ: "the engine could not be read",
  UNSUPPORTED: "the store cannot do this",
  RATE_LIMITED: "too many requests",
  EXPIRED: "the key's lifetime ended",
  NO_REACTOR: "no reactor answered",
  STORE_INACTIVE: "the store is inactive",
  UPSTREAM_CHANGED: "others had changed what is upstream",
  NOT_FOUND: "nothing was there",
  NOT_AUTHORIZED: "the store's own list does not let the signing key do this",
};

/** Whether a reason leaves open what happened: a sealed request that m8 held back can still be written (docs/protocol.md, When something breaks). */
export function isOpenEnd(reason: string): boolean {
  return reason === "KEY_LOST" || reason === "OUTCOME_UNKNOWN";
}

/** Say how a request ended, within a sentence: "put", "failed: the engine did not answer". Unknown ends stay as they are. */
export function endWords(outcome: string): string {
  const reason = /^FAILED(?::\s*(.*))?$/.exec(outcome);
  if (reason === null) return known(OUTCOME_WORDS, outcome) ?? outcome;
  if (!reason[1]) return "failed";
  return isOpenEnd(reason[1]) ? whyWords(reason[1]) : `failed: ${reasonWords(reason[1])}`;
}

/** Say why a request ended without success, and never surer than the receipt: "end not known: the reactor lost its key". */
export function whyWords(reason: string): string {
  return isOpenEnd(reason) ? `end not known: ${reasonWords(reason)}` : reasonWords(reason);
}

/** Return a reason in words; one that is unknown stays as it is. */
export function reasonWords(reason: string): string {
  return known(REASON_WORDS, reason) ?? reason;
}

/** Return what `table` has for a word; undefined for one that it lacks, also for those that every object has, such as "constructor". */
export function known<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
