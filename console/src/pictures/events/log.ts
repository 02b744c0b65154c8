/** The newest events, with those that happen now, in a bounded list. Nothing is lost while the list is paused. */

import { useEffect, useReducer, useRef } from "preact/hooks";
import type { Event, EventsRequest, Failure } from "../../api/types";
import { useAnswer } from "../../app/answer";
import { onLive } from "../../app/live";

/** At most this many are kept; the oldest go first. */
const KEPT = 5_000;
/** How many are asked for at the start. */
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
}

export interface EventFilter {
  prefix: string;
  actor: string;
}

/** Whether a URI lies below a prefix, by whole segments. */
export function isBelow(uri: string, prefix: string): boolean {
  return prefix === "" || uri === prefix || uri.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
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

/** Follow the events below a prefix and of an actor. While `paused`, new ones wait. */
export function useEventLog({ prefix, actor }: EventFilter, paused: boolean): EventLog {
  const request: EventsRequest = { limit: ASKED, ...(prefix === "" ? {} : { prefix }), ...(actor === "" ? {} : { actor }) };
  const asked = useAnswer<{ events: Event[] }>("events", request, { when: (message) => message.kind === "m8" && message.away === "" });
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

  useEffect(() => {
    const end = onLive("event", ({ event }) => {
      if (!isBelow(event.uri, prefix) || (actor !== "" && event.actor !== actor)) return;
      held.current.waiting.push(event);
      if (held.current.waiting.length > 2 * KEPT) held.current.waiting.splice(0, KEPT);
      held.current.timer ??= setTimeout(takeIn, TOGETHER);
    });
    return () => {
      end();
      clearTimeout(held.current.timer);
      held.current.timer = undefined;
    };
  }, [prefix, actor]);

  return { events: held.current.events, waiting: held.current.waiting.length, loading: asked.loading, failure: asked.failure, again: asked.again };
}
