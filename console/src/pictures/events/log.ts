/** The newest events, with those that happen now, in a bounded list. Nothing is lost while the list is paused. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { call, Refused } from "../../api/call";
import type { Failure } from "../../api/documents/sending";
import type { Live } from "../../api/documents/session";
import type { Event, EventsRequest } from "../../api/documents/shown";
import { isBelow } from "../../parts";
import { useAnswer } from "../../state/answer";
import { useLive } from "../../state/live";

/** At most this many are kept; the oldest go first. */
const KEPT = 5_000;
/** How many are asked for at the start, and of older ones at once. */
const ASKED = 1_000;
/** New events are shown together, this many milliseconds apart: nobody reads faster, and thousands cost as little as one. */
const TOGETHER = 250;

export interface EventLog {
  /** The newest first. */
  events: readonly Event[];
  /** How many came while the list was paused. */
  waiting: number;
  loading: boolean;
  failure: Failure | undefined;
  again: () => void;
  /** What is known of events that are older than those in the list: "full" if the list can hold no more. */
  older: "more" | "asking" | "none" | "full";
  /** Ask for older events. */
  askOlder: () => void;
}

export interface EventFilter {
  prefix: string;
  actor: string;
}

/** Return `events` with `more` among them, the newest first, each once. */
export function merged(events: readonly Event[], more: readonly Event[]): Event[] {
  const newest = events[0]?.position ?? -1;
  const inOrder = [...more].sort((a, b) => b.position - a.position);
  // What happens now is newer than all that is known: then nothing needs to be sorted.
  if ((inOrder.at(-1)?.position ?? 0) > newest) return unique([...inOrder, ...events]);
  return unique([...inOrder, ...events].sort((a, b) => b.position - a.position));
}

function unique(events: Event[]): Event[] {
  return events.filter((event, at) => event.position !== events[at - 1]?.position).slice(0, KEPT);
}

/** Whether events may have happened of which nobody told: m8 is back, or the live stream is. */
function mayHaveMissed(message: Live): boolean {
  return (message.kind === "m8" && message.away === "") || (message.kind === "secrets" && message.loaded === 0);
}

/** Follow the events below a prefix and of an actor. While `paused`, new ones wait. */
export function useEventLog({ prefix, actor }: EventFilter, paused: boolean): EventLog {
  const request: EventsRequest = { limit: ASKED, ...(prefix === "" ? {} : { prefix }), ...(actor === "" ? {} : { actor }) };
  const asked = useAnswer<{ events: Event[] }>("events", request, { when: mayHaveMissed });
  const held = useRef<{ events: Event[]; waiting: Event[]; timer: ReturnType<typeof setTimeout> | undefined }>({ events: [], waiting: [], timer: undefined });
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const stopped = useRef(paused);
  stopped.current = paused;

  const takeIn = () => {
    held.current.timer = undefined;
    if (stopped.current || held.current.waiting.length === 0) return draw(undefined);
    held.current.events = merged(held.current.events, held.current.waiting);
    held.current.waiting = [];
    draw(undefined);
  };

  useEffect(() => {
    held.current.events = [];
    held.current.waiting = [];
  }, [prefix, actor]);

  useEffect(() => {
    if (asked.data === undefined || (asked.stale && asked.failure === undefined)) return;
    held.current.events = merged(held.current.events, asked.data.events);
    draw(undefined);
  }, [asked.data, asked.stale]);

  useEffect(takeIn, [paused]);

  useNewEvents({ prefix, actor }, (event) => {
    held.current.waiting.push(event);
    if (held.current.waiting.length > 2 * KEPT) held.current.waiting.splice(0, KEPT);
    held.current.timer ??= setTimeout(takeIn, TOGETHER);
  });
  useEffect(() => () => clearTimeout(held.current.timer), []);

  const { older, failure, askOlder } = useOlder(request, asked.data?.events.length, held.current.events, (events) => {
    held.current.events = merged(held.current.events, events);
  });
  return { events: held.current.events, waiting: held.current.waiting.length, loading: asked.loading, failure: asked.failure ?? failure, again: asked.again, older, askOlder };
}

/** Call `take` with each event that happens below a prefix and by an actor. */
function useNewEvents({ prefix, actor }: EventFilter, take: (event: Event) => void): void {
  useLive("event", ({ event }) => {
    if (isBelow(event.uri, prefix) && (actor === "" || event.actor === actor)) take(event);
  });
}

/** Ask for what came before the events that are shown, once for each call. `first` is how many the first answer had. */
function useOlder(request: EventsRequest, first: number | undefined, shown: readonly Event[], take: (events: Event[]) => void): Pick<EventLog, "older" | "askOlder"> & { failure: Failure | undefined } {
  const key = JSON.stringify(request);
  const [told, setTold] = useState<{ key: string; is: "asking" | "none" | "more"; failure?: Failure }>({ key, is: "more" });
  const aborting = useRef<AbortController>(undefined);
  useEffect(() => () => aborting.current?.abort(), [key]);
  const now = told.key === key ? told : undefined;
  const isAll = now?.is === "none" || (now === undefined && first !== undefined && first < ASKED) || shown.length < ASKED;
  const older = shown.length >= KEPT ? "full" : now?.is === "asking" ? "asking" : isAll ? "none" : "more";
  const askOlder = async () => {
    const oldest = shown.at(-1);
    if (older !== "more" || oldest === undefined) return;
    const { signal } = (aborting.current = new AbortController());
    setTold({ key, is: "asking" });
    try {
      const { events } = await call<{ events: Event[] }>("events", { ...request, before: oldest.position }, signal);
      if (signal.aborted) return;
      take(events);
      setTold({ key, is: events.length < ASKED ? "none" : "more" });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      setTold({ key, is: "more", failure: error.failure });
    }
  };
  return { older, failure: now?.failure, askOlder: () => void askOlder() };
}
