/** What happens, as it happens, in words: the newest on top. */

import { useEffect, useState } from "preact/hooks";
import type { Event } from "../api/documents/shown";
import { Badge, Button, Card, ChipMenu, Empty, FailureBox, PageHead, Skeleton, TextField, useNow } from "../parts";
import { type EventFilter, type EventLog, useEventLog } from "../pictures/events/log";
import { EventRow, Rows } from "../pictures/events/Rows";
import { TYPE_GROUPS } from "../pictures/events/sentences";
import { useRem } from "../pictures/useRem";
import { dayOf } from "../pictures/words/days";
import { counted } from "../pictures/words/outcomes";
import { useCell } from "../state/cell";
import { away } from "../state/me";
import type { Place } from "../state/navigation";

/** The height of a row in rem, as style/pictures/events.css has it: one, two or three lines. */
const HEIGHTS = { wide: 2.75, narrow: 3.65, phone: 5.65 };

const NOTHING: EventFilter = { prefix: "", actor: "" };

/** Whether a text is the beginning of a URI up to its store at least: nothing else that is typed there goes to m8. */
const PREFIX = /^[a-z0-9][a-z0-9-]*:\/\/[^\s]*$/;

/** Return `value` once it has not changed for a moment, so that typing asks once. */
function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

function rowHeight(): number {
  if (matchMedia("(max-width: 560px)").matches) return HEIGHTS.phone;
  return matchMedia("(max-width: 1100px)").matches ? HEIGHTS.narrow : HEIGHTS.wide;
}

/** Return the height of a row in pixels on this screen. */
function useRowHeight(): number {
  const rem = useRem();
  const [height, setHeight] = useState(rowHeight);
  useEffect(() => {
    const look = () => setHeight(rowHeight());
    addEventListener("resize", look);
    return () => removeEventListener("resize", look);
  }, []);
  return Math.round(height * rem);
}

/** Whether an event is of a type, or of a group of types; "" is all. */
function isOf(event: Event, type: string): boolean {
  if (type === "") return true;
  return TYPE_GROUPS.find((group) => group.title === type)?.types.includes(event.type) ?? event.type === type;
}

export function Events({ place }: { place: Place }) {
  const [filter, setFilter] = useState<EventFilter>({ ...NOTHING, prefix: place.store === undefined ? "" : `${place.store}://` });
  const [type, setType] = useState("");
  const [paused, setPaused] = useState(false);
  const [held, setHeld] = useState(false);
  const [actor, setActor] = useState("");
  const settled = useSettled(filter.prefix, 250);
  const asked = { prefix: PREFIX.test(settled) ? settled : "", actor: filter.actor };
  const log = useEventLog(asked, paused || held);
  const events = type === "" ? log.events : log.events.filter((event) => isOf(event, type));
  const filtered = type !== "" || filter.prefix !== "" || filter.actor !== "";
  return (
    <div class="pic-view">
      <PageHead
        title="Events"
        lead="m8's log, the newest on top. It is m8's word; a receipt proves how a request ended."
        actions={
          <>
            <Liveness paused={paused} held={held} waiting={log.waiting} />
            <Button pressed={paused} onClick={() => setPaused(!paused)}>{paused ? (log.waiting === 0 ? "Go on" : `Go on: ${log.waiting.toLocaleString("en")} new`) : "Pause"}</Button>
          </>
        }
      />
      {log.failure !== undefined && <FailureBox failure={log.failure} onRetry={log.again} tone="warn" />}
      <Card flush>
        <div class="pic-filters" role="search" aria-label="Filter the events">
          <TextField label="Below a prefix" hideLabel placeholder="store://path" mono type="search" value={filter.prefix} error={settled === "" || PREFIX.test(settled) ? "" : "Begin with a store, as in vault://app."} onInput={(prefix) => setFilter({ ...filter, prefix: prefix.trim() })} />
          <ActorField typed={actor} events={log.events} onType={setActor} onAsk={(asking) => setFilter({ ...filter, actor: asking })} />
          <TypeMenu type={type} onType={setType} />
          <span class="pic-quiet pic-filters-count" role="status">{paused ? "paused" : counted(events.length, "event")}</span>
        </div>
        {log.loading && <Skeleton lines={8} />}
        {!log.loading && events.length === 0 && (
          <Empty icon="events" title={filtered ? "No event is like that." : "Nothing has happened yet."}>{filtered ? "Among the newest events. Take a filter away to see more." : "What people and reactors do appears here at once."}</Empty>
        )}
        {events.length > 0 && <List events={events} onHold={setHeld} />}
        {!log.loading && <Older log={log} />}
      </Card>
    </div>
  );
}

function List({ events, onHold }: { events: readonly Event[]; onHold: (hold: boolean) => void }) {
  const today = dayOf(new Date(useNow()));
  return (
    <Rows rows={events} height={useRowHeight()} keyOf={(event) => event.position} name="Events, the newest first" onHold={onHold}>
      {(event) => <EventRow event={event} today={today} />}
    </Rows>
  );
}

/** Whose events are shown. What is typed goes to m8 with Enter alone: it may be a text that was pasted by mistake. */
function ActorField({ typed, events, onType, onAsk }: { typed: string; events: readonly Event[]; onType: (typed: string) => void; onAsk: (actor: string) => void }) {
  const known = actorsOf(events);
  const input = (text: string) => {
    onType(text);
    // One of the choices, or nothing, says nothing new to m8.
    if (text === "" || known.includes(text)) onAsk(text);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onAsk(typed.trim());
  };
  return (
    <form onSubmit={submit} noValidate autocomplete="off">
      <TextField label="By whom, then Enter" hideLabel placeholder="By whom, then Enter" type="search" value={typed} choices={known} onInput={input} />
    </form>
  );
}

/** The way to events that are older than those in the list. */
function Older({ log }: { log: EventLog }) {
  if (log.older === "none") return null;
  if (log.older === "full") return <p class="pic-quiet pic-foot">{`The list holds ${counted(log.events.length, "event")} and no more. Filter by a prefix or a person to see older ones, or use monoctl get events.`}</p>;
  return (
    <p class="pic-foot">
      <Button small busy={log.older === "asking"} onClick={log.askOlder}>Show older events</Button>
    </p>
  );
}

function Liveness({ paused, held, waiting }: { paused: boolean; held: boolean; waiting: number }) {
  const why = useCell(away);
  if (why !== "") return <Badge tone="bad" icon="alert" title={why}>m8 is away</Badge>;
  if (paused) return <Badge tone="warn" icon="minus">{`Paused, ${waiting.toLocaleString("en")} waiting`}</Badge>;
  if (held) return <Badge tone="info" icon="clock">{`Waits while you are in the list: ${waiting.toLocaleString("en")} new`}</Badge>;
  return <Badge tone="good" icon="activity">Live</Badge>;
}

function TypeMenu({ type, onType }: { type: string; onType: (type: string) => void }) {
  const choices = TYPE_GROUPS.flatMap((group) => [{ value: group.title, text: group.title }, ...group.types.map((one) => ({ value: one, text: `\u2003${one}` }))]);
  return <ChipMenu name="Type" all="All types" value={type} choices={choices} onChange={onType} />;
}

/** Who caused the newest events, for the choices of a field. */
function actorsOf(events: readonly Event[]): string[] {
  return [...new Set(events.slice(0, 500).map((event) => event.actor))].sort().slice(0, 30);
}
