/** What ended how over time, who did it, and what has not ended yet. */

import { useState } from "preact/hooks";
import type { Activity } from "../api/documents/pictures";
import { Badge, Button, Card, Empty, FailureBox, HowLong, Link, PageHead, Skeleton, Time, Uri, useNow } from "../parts";
import { Bars, barsOf, BarsTable, Legend } from "../pictures/bars/Bars";
import { People } from "../pictures/bars/People";
import { Actor } from "../pictures/events/Rows";
import { waitsFor } from "../pictures/events/sentences";
import { byKind, sum, total, whyWords } from "../pictures/words/outcomes";
import { useAnswer } from "../state/answer";
import { go, type Place } from "../state/navigation";

const RANGES = [
  { days: 1, text: "24 hours" },
  { days: 7, text: "7 days" },
  { days: 30, text: "30 days" },
];

export function ActivityView(_: { place: Place }) {
  const [days, setDays] = useState(1);
  const all = useAnswer<Activity>("activity", { days }, { when: (message) => message.kind === "event" || (message.kind === "m8" && message.away === "") });
  // Reading all of a busy day takes a second: the newest are shown meanwhile.
  const isReading = all.data === undefined || (all.stale && all.failure === undefined);
  const quick = useAnswer<Activity>(isReading ? "activity" : null, { days, quick: true }, { when: () => false });
  const { failure, again } = all;
  const data = isReading && !quick.stale && quick.data !== undefined ? quick.data : all.data;
  return (
    <div class="pic-view">
      <PageHead
        title="Activity"
        lead="How requests ended, by the events in m8's log. It is m8's word; the page of a request says what is proven."
        actions={
          <div class="pic-ranges" role="group" aria-label="Time">
            {RANGES.map((range) => <Button key={range.days} small pressed={range.days === days} onClick={() => setDays(range.days)}>{range.text}</Button>)}
          </div>
        }
      />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {data === undefined && failure === undefined && <Skeleton lines={8} />}
      {data !== undefined && <Shown data={data} days={days} isReading={isReading} />}
    </div>
  );
}

function Shown({ data, days, isReading }: { data: Activity; days: number; isReading: boolean }) {
  const outcomes = sum(data.buckets.map((bucket) => bucket.outcomes));
  const bars = barsOf(data.buckets);
  const range = RANGES.find((one) => one.days === days)?.text ?? `${days} days`;
  return (
    <div class="pic-view">
      {data.open.length > 0 && <OpenRequests open={data.open} />}
      <Card title={`The last ${range}`} actions={!data.complete && <Badge tone={isReading ? "info" : "warn"} icon="info">{isReading ? "Reading older events of this time" : "Older events of this time were not read"}</Badge>}>
        {total(outcomes) === 0 ? (
          <Empty icon="activity" title="No request ended in this time.">What people do appears here as it happens.</Empty>
        ) : (
          <>
            <Bars bars={bars} name={`How requests ended in the last ${range}, as bars over time`} />
            <Legend outcomes={outcomes} />
            <BarsTable bars={bars} />
          </>
        )}
      </Card>
      {data.failed.length > 0 && <FailedRequests failed={data.failed} all={byKind(outcomes).failed} />}
      <Card title="Who did what" flush><People people={data.people} /></Card>
    </div>
  );
}

/** The newest requests that failed, each with the way to its page. `all` is how many failed in that time. */
function FailedRequests({ failed, all }: { failed: Activity["failed"]; all: number }) {
  const [most, setMost] = useState(10);
  const more = Math.min(all, failed.length) - most;
  return (
    <Card title={`Failed requests: ${all.toLocaleString("en")}`} flush>
      <ul class="pic-open" aria-label="Failed requests, the newest first">
        {failed.slice(0, most).map((one) => (
          <li key={one.request_id}>
            <Uri uri={one.uri} />
            <span>{one.actor !== "" && <>by <Actor of={one.actor} /></>}</span>
            <Time at={one.at} />
            <Link at={`request ${one.request_id}`} label={`${whyWords(one.reason)}: open the request`} onClick={() => go({ view: "upload", requestId: one.request_id })}>{whyWords(one.reason)}</Link>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="pic-foot"><Button small onClick={() => setMost(failed.length)}>{`Show ${more.toLocaleString("en")} more`}</Button></p>}
      {more <= 0 && all > failed.length && <p class="pic-quiet pic-foot">{`And ${(all - failed.length).toLocaleString("en")} more, which are older: see Events.`}</p>}
    </Card>
  );
}

/** A request that is open for longer than this, in milliseconds, is worth a look: m8 ends requests after minutes. */
const LONG = 10 * 60_000;

/** Requests that have not ended, the oldest first. */
export function OpenRequests({ open, most = 10 }: { open: Activity["open"]; most?: number }) {
  const now = useNow();
  const rows = [...open].sort((a, b) => a.since.localeCompare(b.since));
  return (
    <Card title={`Open requests: ${open.length.toLocaleString("en")}`} flush>
      <ul class="pic-open">
        {rows.slice(0, most).map((one) => (
          <li key={one.request_id}>
            <Uri uri={one.uri} />
            <span>{one.actor !== "" && <>by <Actor of={one.actor} /></>}</span>
            <span>for <HowLong since={one.since} /> {now - Date.parse(one.since) > LONG && <Badge tone="warn" icon="clock">long</Badge>}</span>
            <Link at={`request ${one.request_id}`} onClick={() => go({ view: "upload", requestId: one.request_id })}>{waitsFor(one.last)}</Link>
          </li>
        ))}
      </ul>
      {rows.length > most && <p class="pic-quiet pic-foot">{`And ${(rows.length - most).toLocaleString("en")} more, which are newer.`}</p>}
    </Card>
  );
}
