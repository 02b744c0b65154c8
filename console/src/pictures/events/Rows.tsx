/** Events as rows, one under the other, which only those in sight are drawn of.
 *
 * A long list of which only the rows in sight exist: thousands cost no more than a screenful.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Event } from "../../api/documents/shown";
import { exact, Link, Person, Uri } from "../../parts";
import { go } from "../../state/navigation";
import { clock } from "../words/days";
import { isKnown, SIGNS, tell } from "./sentences";

/** How the cause of an event is named: "reactor/vault/0a1b2c3d" is a reactor, "m8" is m8, all else is a person's or a program's credential. */
export function Actor({ of }: { of: string }) {
  const reactor = /^reactor\/([^/]+)\/(.+)$/.exec(of);
  if (reactor !== null) return <>{`reactor of ${reactor[1]}`}</>;
  return of === "m8" ? <>m8 itself</> : <Person of={of} />;
}

export function EventRow({ event, today }: { event: Event; today: string }) {
  const { mood, text } = tell(event);
  const change = event.stream.startsWith("change/") ? event.stream.slice("change/".length) : "";
  return (
    <div class={`pic-event pic-event-${mood}`}>
      <span class="pic-event-sign" aria-hidden="true">{SIGNS[mood]}</span>
      <time class="pic-event-time" dateTime={event.recorded_at} title={exact(event.recorded_at)}>{clock(event.recorded_at, today)}</time>
      <span class="pic-event-text" title={text}>
        {change !== "" ? <Link at={`event ${event.position}`} label={`${text}: open the change`} onClick={() => go({ view: "change", changeId: change })}>{text}</Link> : event.request_id === "" ? text : <Link at={`event ${event.position}`} label={`${text}: open the request`} onClick={() => go({ view: "upload", requestId: event.request_id })}>{text}</Link>}
      </span>
      <span class="pic-event-where">
        {event.uri !== "" && <Uri uri={event.uri} />}
      </span>
      <span class="pic-event-who" title={event.actor}><Actor of={event.actor} /></span>
      <span class={isKnown(event.type) ? "pic-event-type" : "pic-event-type pic-event-unknown"} title={`${event.type}, position ${event.position} of the log`}>{event.type}</span>
    </div>
  );
}

interface RowsProps<T> {
  rows: readonly T[];
  /** The height of each row in pixels. */
  height: number;
  keyOf: (row: T) => string | number;
  children: (row: T) => ComponentChildren;
  name: string;
  /** Told whether the focus is in a row: then no row should go away. */
  onHold?: (hold: boolean) => void;
}

/** How many rows stand ready above and below what is in sight. */
const SPARE = 8;

/** When rows come in at the top while the user looks further down, what they look at stays where it is. */
export function Rows<T>({ rows, height, keyOf, children, name, onHold }: RowsProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 800 });
  const first = useRef<string | number | undefined>(undefined);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const look = () => setSeen({ top: element.scrollTop, height: element.clientHeight });
    look();
    const watch = new ResizeObserver(look);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  useLayoutEffect(() => {
    const was = first.current;
    const newest = rows[0];
    first.current = newest === undefined ? undefined : keyOf(newest);
    const element = box.current;
    if (element === null || was === undefined || was === first.current || element.scrollTop === 0) return;
    const came = rows.findIndex((row) => keyOf(row) === was);
    if (came <= 0) return;
    element.scrollTop += came * height;
    // Not only when the scroll event comes: until then the rows in sight would be missing.
    setSeen({ top: element.scrollTop, height: element.clientHeight });
  }, [rows, height]);

  const from = Math.max(0, Math.floor(seen.top / height) - SPARE);
  const to = Math.min(rows.length, Math.ceil((seen.top + seen.height) / height) + SPARE);
  return (
    <div class="pic-rows" ref={box} tabIndex={0} role="group" aria-label={name} onFocusIn={(event) => onHold?.(event.target !== event.currentTarget)} onFocusOut={() => onHold?.(false)} onScroll={(event) => setSeen({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}>
      <ol class="pic-rows-all" style={{ height: `${rows.length * height}px` }}>
        {rows.slice(from, to).map((row, at) => (
          <li key={keyOf(row)} class="pic-rows-row" style={{ top: `${(from + at) * height}px`, height: `${height}px` }} aria-setsize={rows.length} aria-posinset={from + at + 1}>
            {children(row)}
          </li>
        ))}
      </ol>
    </div>
  );
}
