/** The live stream of the page: what monoctl tells, and since when m8 is away.
 *
 * The one live stream of this page: what happens, as it happens. It is opened again when it breaks.
 */

import { useEffect, useRef } from "preact/hooks";
import { call, live, Refused } from "../api/call";
import type { Live, Me } from "../api/documents/session";
import { gone, hasEnded, heed, onEnded, onStopped } from "../api/failures";
import { cell } from "./cell";
import { away, backSince, ended, me, stop } from "./me";
import { addNote } from "./notes";
import { knowPeople } from "./people";

type Kind = Live["kind"];
type Of<K extends Kind> = Extract<Live, { kind: K }>;
type Handler = (one: Live) => void;

const handlers = new Set<Handler>();

/** Call `handler` for each message of one kind, from now on; return what ends that. */
export function onLive<K extends Kind>(kind: K, handler: (one: Of<K>) => void): () => void {
  const one: Handler = (message) => {
    if (message.kind === kind) handler(message as Of<K>);
  };
  handlers.add(one);
  return () => handlers.delete(one);
}

/** `onLive` for as long as the component is shown. The newest `handler` is called. */
export function useLive<K extends Kind>(kind: K, handler: (one: Of<K>) => void): void {
  const newest = useRef(handler);
  newest.current = handler;
  useEffect(() => onLive(kind, (one) => newest.current(one)), [kind]);
}

/** Milliseconds before each further try to open the stream: all within the time after which monoctl counts as ended. */
const PAUSES = [200, 500, 1000];

/** Follow the stream until the page is closed or monoctl ends. Call it once. */
export async function follow(): Promise<void> {
  onEnded(() => ended.set(gone()));
  onStopped((failure) => stop.set(failure));
  let failed = 0;
  while (!hasEnded()) {
    try {
      for await (const message of live(new AbortController().signal)) {
        // What happened during a break was not told: all that is shown is asked for again.
        if (failed > 0) tell({ kind: "secrets", loaded: 0, complete: false });
        failed = 0;
        tell(message);
      }
    } catch (error) {
      if (error instanceof Refused && error.failure.code === "SESSION_ENDED") return ended.set(error.failure);
    }
    await new Promise((done) => setTimeout(done, PAUSES[failed] ?? 1000));
    failed += 1;
  }
}

function tell(message: Live): void {
  if (message.kind === "m8" && message.stop !== null) heed(message.stop);
  // Each stream begins with whether m8 answers: that is no news.
  if (message.kind === "m8" && message.away === away.get()) return;
  if (message.kind === "m8") setAway(message.away);
  if (message.kind === "people") knowPeople(message.shown);
  if (message.kind === "note") addNote(message.text);
  for (const handler of [...handlers]) handler(message);
}

function setAway(why: string): void {
  const before = away.get();
  away.set(why);
  if (before !== "" && why === "") {
    backSince.set(Date.now());
    setTimeout(() => backSince.set(0), 8000);
    void askWho();
  }
}

/** Ask who the user is: m8 was away, or a login may be over. */
export async function askWho(): Promise<void> {
  try {
    const answer = await call<Me>("whoami");
    // While nobody answers, the page shows what was true before.
    if (answer.away === "") me.set(answer);
    away.set(answer.away);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

const now = (): string => (away.get() === "" ? "" : new Date().toISOString());

/** A moment, ISO 8601; "" while m8 answers. */
export const awaySince = cell(now());

away.follow(() => {
  if (away.get() === "") awaySince.set("");
  else if (awaySince.get() === "") awaySince.set(now());
});
