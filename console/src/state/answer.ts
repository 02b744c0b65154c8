/** Answers of monoctl that a component shows. The old answer stays on the screen until the new one is there. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { call, Refused } from "../api/call";
import type { Failure } from "../api/documents/sending";
import type { Live } from "../api/documents/session";
import { onLive } from "./live";

export interface Answer<T> {
  /** The newest answer; undefined before the first. */
  data: T | undefined;
  /** Why the last call failed. `data` is then what was true before. */
  failure: Failure | undefined;
  /** Whether nothing can be shown yet: show a skeleton. */
  loading: boolean;
  /** Whether `data` belongs to another request, or the last call failed. */
  stale: boolean;
  /** Ask again. */
  again: () => void;
}

export interface Options {
  /** Which messages of the live stream are a reason to ask again. By default: the listing has changed, or m8 is back. */
  when?: (message: Live) => boolean;
}

const KINDS: readonly Live["kind"][] = ["secrets", "m8", "event", "progress"];

function listingChanged(message: Live): boolean {
  return message.kind === "secrets" || (message.kind === "m8" && message.away === "");
}

interface Held {
  key: string;
  data?: unknown;
  failure?: Failure;
}

/** Whether an answer says what is shown already: then nothing is drawn anew. */
function isSame(before: Held, key: string, data: unknown): boolean {
  return before.key === key && before.failure === undefined && JSON.stringify(before.data) === JSON.stringify(data);
}

/** Answers of views that were left, for the way back. */
const kept = new Map<string, unknown>();
const KEPT = 40;

function keep(key: string, data: unknown): void {
  kept.delete(key);
  kept.set(key, data);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) return;
    kept.delete(oldest);
  }
}

/** Show `data` for this question until it is answered: it came with another answer. */
export function foreknow(operation: string, request: object, data: object): void {
  keep(keyOf(operation, request), data);
}

function keyOf(operation: string, request: object): string {
  return `${operation} ${JSON.stringify(request)}`;
}

/** Ask `operation`, again whenever the request changes or something happened that matters. With `null` nothing is asked. */
export function useAnswer<T>(operation: string | null, request: object = {}, options: Options = {}): Answer<T> {
  const key = operation === null ? "" : keyOf(operation, request);
  const [held, setHeld] = useState<Held>(() => ({ key, data: kept.get(key) }));
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((count) => count + 1), []);
  const when = useRef(options.when ?? listingChanged);
  when.current = options.when ?? listingChanged;

  useEffect(() => {
    if (operation === null) return undefined;
    const aborting = new AbortController();
    void ask<T>(operation, request, aborting.signal).then((answer) => {
      if (aborting.signal.aborted || answer === undefined) return;
      if ("data" in answer) keep(key, answer.data);
      setHeld((before) => ("failure" in answer ? { key, data: before.data, failure: answer.failure } : isSame(before, key, answer.data) ? before : { key, data: answer.data }));
    });
    return () => aborting.abort();
    // The request is part of the key.
  }, [key, round]);

  useEffect(() => (operation === null ? undefined : followAll((message) => when.current(message), again)), [operation === null]);

  const data = held.data as T | undefined;
  const failure = held.key === key ? held.failure : undefined;
  return { data, failure, loading: data === undefined && failure === undefined, stale: held.key !== key || failure !== undefined, again };
}

/** Call `again` when a message matters: at once, then at most every 300 ms however many come. */
function followAll(matters: (message: Live) => boolean, again: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let more = false;
  const resting = () => {
    timer = undefined;
    if (more) go();
  };
  const go = () => {
    more = false;
    timer = setTimeout(resting, 300);
    again();
  };
  const ends = KINDS.map((kind) =>
    onLive(kind, (message) => {
      if (!matters(message)) return;
      if (timer === undefined) go();
      else more = true;
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const end of ends) end();
  };
}

async function ask<T>(operation: string, request: object, signal: AbortSignal): Promise<{ data: T } | { failure: Failure } | undefined> {
  try {
    return { data: await call<T>(operation, request, signal) };
  } catch (error) {
    if (error instanceof Refused) return { failure: error.failure };
    if (signal.aborted) return undefined;
    throw error;
  }
}
