/** The stages of a call, for one secret or several; what monoctl would refuse is asked before values are cleared.
 *
 * An operation about one secret, for several: one after the other, a row for each.
 * Sending values: first checked by monoctl without sending, so that a refusal that can be known costs nobody what they typed.
 * One call of a form from "asking" to its end: its stages by the live stream, what came of it, and nothing twice.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import { callWithValues, Refused } from "../../api/call";
import type { Failure, Preview, Results, Row } from "../../api/documents/sending";
import { heed } from "../../api/failures";
import { useLive } from "../../state/live";
import { addNote, announce } from "../../state/notes";
import { Unreadable } from "../values/keeper";
import type { Values } from "../values/useValues";

/** Return the rows of all calls; a call that is refused is a row of its own, and ends nothing. */
export async function eachOf<T>(uris: readonly string[], work: (uri: string) => Promise<Results<T>>): Promise<Results<T>> {
  const results: Row<T>[] = [];
  const notes = new Set<string>();
  for (const uri of uris) {
    try {
      const answer = await work(uri);
      results.push(...answer.results);
      for (const note of answer.notes) notes.add(note);
    } catch (error) {
      results.push({ failed: { ...failureOf(error), uri } });
    }
  }
  return { results, notes: [...notes] };
}

/** Have monoctl say what would be sent; nothing is written. @throws Refused if it would refuse any of it. */
export async function previewed(operation: "put" | "patch", request: object, values: Values): Promise<Preview[]> {
  const { results } = await callWithValues<Results<Preview>>(operation, { ...request, dry_run: true }, await values.copies());
  return results.map((row) => {
    if ("failed" in row) throw new Refused(row.failed);
    return row.done;
  });
}

/** Check, then forget the values and send copies of them, which are overwritten. */
export async function sendChecked<T>(operation: "put" | "patch", request: object, values: Values): Promise<Results<T>> {
  await previewed(operation, request, values);
  return sendOnce<T>(operation, request, values);
}

/** Forget the values and send copies of them, which are overwritten. */
export async function sendOnce<T>(operation: "put" | "patch" | "compare", request: object, values: Values): Promise<Results<T>> {
  const copies = await values.copies();
  values.forget();
  return callWithValues<Results<T>>(operation, request, copies);
}

/** How far a request has come. "waiting": monoctl has not asked for it yet. */
export type Stage = "waiting" | "asking" | "signing" | "sent" | "ended";

export interface Progress {
  stage: Stage;
  /** 32 hex digits; "" until monoctl says it. */
  requestId: string;
  /** Whether the user has to touch a security key now. */
  touch?: boolean;
}

export interface Sending<T> {
  /** "editing" before and after a try that sent nothing, "sending" while one is under way, "ended" with results. */
  state: "editing" | "sending" | "ended";
  /** What is under way, by URI. */
  progress: ReadonlyMap<string, Progress>;
  results: readonly Row<T>[];
  /** Sentences that come with the results. */
  notes: readonly string[];
  /** Why the whole call was refused: nothing was done. */
  failure: Failure | null;
  /** Send. A second call while one is under way does nothing. */
  send: (uris: readonly string[], work: () => Promise<Results<T>>) => Promise<void>;
  /** Go back to the fields. */
  edit: () => void;
}

interface State<T> {
  state: Sending<T>["state"];
  progress: ReadonlyMap<string, Progress>;
  results: readonly Row<T>[];
  notes: readonly string[];
  failure: Failure | null;
}

/** Return what one form sends with. */
export function useSending<T>(): Sending<T> {
  const [now, setNow] = useState<State<T>>({ state: "editing", progress: new Map(), results: [], notes: [], failure: null });
  const busy = useRef(false);
  const left = useRef(false);
  useEffect(() => () => void (left.current = true), []);
  useLive("progress", (message) =>
    setNow((before) => (before.state === "sending" && before.progress.has(message.uri) ? { ...before, progress: advanced(before.progress, message) } : before)),
  );
  const send: Sending<T>["send"] = async (uris, work) => {
    if (busy.current) return;
    busy.current = true;
    setNow({ state: "sending", progress: new Map(uris.map((uri) => [uri, { stage: "waiting", requestId: "" }])), results: [], notes: [], failure: null });
    try {
      const { results, notes } = await work();
      for (const row of results) if ("failed" in row) heed(row.failed);
      setNow((before) => ({ ...before, state: "ended", results, notes }));
      if (left.current) addNote(`${results.length === 1 ? uris[0] : `${uris.length} secrets`}: ${summary(results)}`, results.every((row) => "done" in row) ? "good" : "warn");
      else announce(summary(results));
    } catch (error) {
      const failure = failureOf(error);
      setNow((before) => ({ ...before, state: "editing", failure }));
      if (left.current) addNote(`${failure.message} ${failure.fix}`, "warn");
    } finally {
      busy.current = false;
    }
  };
  const edit = () => setNow((before) => ({ ...before, state: "editing", failure: null }));
  return { ...now, send, edit };
}

const STAGES: Readonly<Record<string, Stage>> = { ASKING: "asking", SIGNING: "signing", SENT: "sent", ENDED: "ended" };

function advanced(progress: ReadonlyMap<string, Progress>, message: { uri: string; stage: string; request_id: string; touch: boolean }): ReadonlyMap<string, Progress> {
  const before = progress.get(message.uri);
  const requestId = message.request_id || (before?.requestId ?? "");
  return new Map(progress).set(message.uri, { stage: STAGES[message.stage] ?? before?.stage ?? "asking", requestId, touch: message.touch });
}

/** What screen readers hear when all is over. */
export function summary(results: readonly Row<unknown>[]): string {
  const done = results.filter((row) => "done" in row).length;
  const open = results.filter((row) => "failed" in row && row.failed.code === "OUTCOME_UNKNOWN").length;
  const failed = results.length - done - open;
  if (open > 0) return results.length === 1 ? "It may or may not have been done." : `${done} done, ${failed} failed, ${open} not known.`;
  if (failed === 0) return done === 1 ? "Done." : `All ${done} are done.`;
  return done === 0 ? (failed === 1 ? "It failed." : `All ${failed} failed.`) : `${done} done, ${failed} failed.`;
}

/** Return the failure that an error stands for. Other errors are defects of the page, and go on. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure;
  if (error instanceof Unreadable) return { code: "USAGE", exit_code: 2, message: error.message, fix: "Nothing was sent.", by_m8: false, reason: "", retry_after_s: null, uri: "" };
  throw error;
}
