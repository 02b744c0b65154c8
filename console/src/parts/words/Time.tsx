/** Times: how long ago, on which day, and for how long; exactly on hover and on focus. What takes long to make is made at its first use. */

import { useEffect } from "preact/hooks";
import { cell, useCell } from "../../state/cell";
import { Tip } from "../controls/Button";

/** What takes long to make is made at its first use, so that the first view need not wait for it. */
export function lazy<T>(make: () => T): () => T {
  let made: { it: T } | undefined;
  return () => (made ??= { it: make() }).it;
}

const now = cell(Date.now());
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** Return the time in milliseconds since 1970, when the component is drawn; it is drawn again every 15 s at the latest. */
export function useNow(): number {
  useEffect(() => {
    watchers += 1;
    timer ??= setInterval(() => now.set(Date.now()), 15_000);
    return () => {
      watchers -= 1;
      if (watchers > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, []);
  useCell(now);
  // Not what the cell holds: what happened since its last tick would lie in the future.
  return Date.now();
}

const UNITS: readonly [number, string, string][] = [
  [60, "s", "second"],
  [60, "min", "minute"],
  [24, "h", "hour"],
  [30, "d", "day"],
  [12, "mo", "month"],
  [Infinity, "y", "year"],
];

/** A length of time in one unit, e.g. "3 h". `seconds` is not negative. */
export function lengthWords(seconds: number): string {
  let left = seconds;
  for (const [most, unit] of UNITS) {
    if (left < most) return `${Math.floor(left)} ${unit}`;
    left /= most;
  }
  return "";
}

/** A moment beside now, e.g. "3 h ago", "in 2 d", "just now". */
export function relative(at: number, from: number): string {
  const seconds = (from - at) / 1000;
  if (Math.abs(seconds) < 10) return "just now";
  return seconds > 0 ? `${lengthWords(seconds)} ago` : `in ${lengthWords(-seconds)}`;
}

const EXACT = lazy(() => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }));

/** A moment in the user's time zone, exactly. */
export function exact(at: string): string {
  const moment = Date.parse(at);
  return Number.isNaN(moment) ? at : EXACT().format(moment);
}

interface TimeProps {
  /** ISO 8601; "" for never. */
  at: string;
  /** What stands there for "". */
  never?: string;
  /** In rows of a table: it takes no focus of its own. */
  quiet?: boolean;
}

export function Time({ at, never = "never", quiet = false }: TimeProps) {
  const from = useNow();
  const moment = Date.parse(at);
  if (at === "" || Number.isNaN(moment)) return <span class="faint">{at || never}</span>;
  const words = relative(moment, from);
  if (quiet)
    return (
      // As long as nobody points at it, nobody needs it: a page has up to two hundred.
      <time dateTime={at} onPointerEnter={(event) => (event.currentTarget.title = exact(at))}>
        {words}
      </time>
    );
  return (
    <Tip text={exact(at)}>
      {(describedBy) => (
        <time dateTime={at} tabIndex={0} aria-describedby={describedBy}>
          {words}
        </time>
      )}
    </Tip>
  );
}

const DAY = 86_400_000;

/** How many days from today to YYYY-MM-DD, by the calendar of UTC; negative for days that are past. */
function daysTo(day: string, from: number = Date.now()): number {
  return Math.round((Date.parse(`${day}T00:00:00Z`) - Math.floor(from / DAY) * DAY) / DAY);
}

/** A day on which a secret expires. */
export function Expiry({ on, never = "–" }: { on: string; never?: string }) {
  const from = useNow();
  if (on === "") return <span class="faint">{never}</span>;
  const days = daysTo(on, from);
  const words = days < 0 ? `expired ${-days} d ago` : days === 0 ? "expires today" : `in ${days} d`;
  const look = days < 0 ? "bad" : days <= 30 ? "warn" : "plain";
  return (
    <time dateTime={on} title={on} class={`expiry expiry-${look}`}>
      {look === "plain" ? on : words}
    </time>
  );
}

export function HowLong({ since }: { since: string }) {
  const now = useNow();
  const at = Date.parse(since);
  if (Number.isNaN(at)) return <>an unknown time</>;
  return <time dateTime={since} title={exact(since)}>{lengthWords(Math.max(0, now - at) / 1000)}</time>;
}
