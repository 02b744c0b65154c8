/** Spans of time with what ended in them, as bars. Pure. */

import type { Activity } from "../../api/documents/pictures";
import { lazy } from "../../parts/lazy";
import { byKind } from "../words/outcomes";
import type { Bar } from "./Bars";

const HOUR = 3_600_000;

const AT_HOUR = lazy(() => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }));
const ON_DAY = lazy(() => new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }));
const ON_WEEKDAY = lazy(() => new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" }));

/** Return a bar for each span; about eight of them have a tick. */
export function barsOf(buckets: Activity["buckets"]): Bar[] {
  const starts = buckets.map((bucket) => Date.parse(bucket.from));
  const length = buckets.length > 1 ? (starts[1] ?? 0) - (starts[0] ?? 0) : HOUR;
  const hours = length < 23 * HOUR;
  const every = Math.max(1, Math.ceil(buckets.length / 8));
  return buckets.map((bucket, at) => {
    const from = starts[at] ?? 0;
    const title = hours ? `${ON_DAY().format(from)}, ${AT_HOUR().format(from)} to ${AT_HOUR().format(from + length)}` : ON_WEEKDAY().format(from);
    const ticked = (buckets.length - 1 - at) % every === 0;
    return { title, tick: ticked ? (hours ? AT_HOUR : ON_DAY)().format(from) : "", spare: (buckets.length - 1 - at) % (every * 2) !== 0, counts: byKind(bucket.outcomes) };
  });
}
