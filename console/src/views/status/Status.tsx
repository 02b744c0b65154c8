/** The state of all that an administrator looks after, on one screen.
 *
 * A figure that an operator reads from across the room, with what it means below. It links where there is more to see.
 */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Activity, Log, Status } from "../../api/documents/pictures";
import type { Figures } from "../../api/documents/shown";
import { Card, exact, FailureBox, HowLong, Icon, PageHead, Skeleton, Time, type Tone, useNow } from "../../parts";
import { Bars, barsOf, BarsTable, Legend } from "../../pictures/bars/Bars";
import { People } from "../../pictures/bars/People";
import { storeHealth, TONE_ICONS } from "../../pictures/stores/health";
import { StoreWall } from "../../pictures/stores/StoreCard";
import { byKind, counted, sum, total } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import { useCell } from "../../state/cell";
import { awaySince, onLive } from "../../state/live";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";
import { OpenRequests } from "../Activity";

interface TileProps {
  title: string;
  figure: string;
  tone?: Tone;
  place?: Place;
  children?: ComponentChildren;
}

function Tile({ title, figure, tone = "plain", place, children }: TileProps) {
  const content = (
    <>
      <span class="pic-tile-title">{title}</span>
      <span class="pic-tile-figure">
        {tone !== "plain" && <Icon name={TONE_ICONS[tone]} />}
        {figure}
      </span>
      <span class="pic-tile-below">{children}</span>
    </>
  );
  if (place === undefined) return <div class={`pic-tile pic-tone-${tone}`}>{content}</div>;
  return (
    <button type="button" role="link" data-at={`tile ${title}`} class={`pic-tile pic-tile-link pic-tone-${tone}`} onClick={() => go(place)}>
      {content}
    </button>
  );
}

/** Reactors' heartbeats are no events: what they say is asked for this often, in milliseconds. */
const EVERY = 15_000;

export function StatusView(_: { place: Place }) {
  const status = useAnswer<Status>("status", {}, { when: (message) => message.kind !== "note" && message.kind !== "tick" });
  const activity = useAnswer<Activity>("activity", { days: 1 }, { when: (message) => message.kind === "event" || (message.kind === "m8" && message.away === "") });
  const since = useCell(awaySince);
  const heard = useHeard();
  useEffect(() => {
    const timer = setInterval(status.again, EVERY);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="pic-view pic-whole">
      <PageHead title="Status" lead={status.data === undefined ? "What m8 says of itself and its stores." : <ServerLine status={status.data} heard={heard} />} />
      {status.failure !== undefined && since === "" && <FailureBox failure={status.failure} onRetry={status.again} tone={status.data === undefined ? "bad" : "warn"} />}
      {status.loading && <Skeleton lines={8} />}
      {status.data !== undefined && <Wall status={status.data} activity={activity.data} since={since} />}
    </div>
  );
}

/** When the live stream last said something that is more than "I live". */
function useHeard(): string {
  const [heard, setHeard] = useState("");
  useEffect(() => onLive("event", () => setHeard(new Date().toISOString())), []);
  return heard;
}

function ServerLine({ status, heard }: { status: Status; heard: string }) {
  return (
    <>
      <code>{status.server.server}</code>, m8 {status.server.m8_version || "of unknown version"}, {status.head.toLocaleString("en")} events in the log{heard === "" ? "" : <>, the last <Time at={heard} quiet /></>}. Fingerprint key <code>{status.fingerprint_key_id || "none yet"}</code>. All of it is m8's word.
    </>
  );
}

function Wall({ status, activity, since }: { status: Status; activity: Activity | undefined; since: string }) {
  const outcomes = sum(activity?.buckets.map((bucket) => bucket.outcomes) ?? []);
  const bars = barsOf(activity?.buckets ?? []);
  return (
    <div class={since === "" ? "pic-wall" : "pic-wall pic-wall-stale"}>
      <Tiles status={status} activity={activity} since={since} />
      <div class="pic-wall-two">
        <div class="pic-wall-side">
          <StoreWall stores={status.stores} />
          {activity !== undefined && activity.open.length > 0 && <OpenRequests open={activity.open} most={5} />}
        </div>
        <div class="pic-wall-side">
          <Card title="Requests in 24 hours">
            {total(outcomes) === 0 ? <p class="pic-quiet">No request ended.</p> : <><Bars bars={bars} name="How requests ended in the last 24 hours" /><Legend outcomes={outcomes} brief /><BarsTable bars={bars} /></>}
          </Card>
        </div>
        <div class="pic-wall-side pic-wall-last">
          <Card title="Who did what in 24 hours" flush><People people={activity?.people ?? []} most={6} brief /></Card>
        </div>
      </div>
    </div>
  );
}

function Tiles({ status, activity, since }: { status: Status; activity: Activity | undefined; since: string }) {
  const { figures } = status;
  const { login } = useMe();
  const broken = status.stores.filter((store) => storeHealth(store).tone === "bad").length;
  const failed = byKind(sum(activity?.buckets.map((bucket) => bucket.outcomes) ?? [])).failed;
  const figure = (name: keyof Figures): string => figures[name].toLocaleString("en");
  const tone = (name: keyof Figures, bad: Tone): Tone => (figures[name] > 0 ? bad : "good");
  return (
    <div class="pic-tiles">
      {since === "" ? <Tile title="m8" tone="good" figure="answers">{`version ${status.server.m8_version || "unknown"}`}</Tile> : <Away since={since} />}
      <Tile title="Stores" tone={broken > 0 ? "bad" : "good"} figure={broken > 0 ? `${broken} of ${status.stores.length}` : status.stores.length.toLocaleString("en")} place={{ view: "stores" }}>{broken === 0 ? "all that are active work" : broken === 1 ? "does not work" : "do not work"}</Tile>
      <Tile title="Failed, 24 hours" tone={failed > 0 ? "warn" : "good"} figure={failed.toLocaleString("en")} place={{ view: "activity" }}>{failed === 1 ? "request" : "requests"}</Tile>
      <Tile title="Open now" figure={(activity?.open.length ?? 0).toLocaleString("en")} place={{ view: "activity" }}>{activity?.open.length === 1 ? "request" : "requests"}</Tile>
      <Tile title="Out of sync" tone={tone("out_of_sync", "bad")} figure={figure("out_of_sync")} place={{ view: "drift" }}>when last verified</Tile>
      <Tile title="Expired" tone={tone("expired", "bad")} figure={figure("expired")} place={{ view: "expiring" }}>their day is past</Tile>
      <Tile title="Expiring" tone={tone("expiring", "warn")} figure={figure("expiring")} place={{ view: "expiring" }}>within 30 days</Tile>
      <Tile title="Secrets" figure={figure("present")} place={{ view: "secrets" }}>{`${figure("deleted")} deleted`}</Tile>
      {status.log !== null && <LogTiles log={status.log} />}
      <Until title="m8's certificate" at={status.certificate_expires} never="not known" />
      {login === "" ? <Until title="Your credential" at={status.server.expires} never="does not expire" /> : <Login renewed={login === "renewed"} until={status.server.expires} />}
    </div>
  );
}

/** What is pinned of m8's log since this look, and whether its witnesses see it. */
function LogTiles({ log }: { log: Log }) {
  return (
    <>
      <Tile title="Log" tone={log.trouble === "" ? "good" : "bad"} figure={log.size.toLocaleString("en")}>
        pinned, signed <Time at={log.signed_at} quiet />
        {log.trouble !== "" && ". m8 signs no more"}
      </Tile>
      {log.quorum > 0 && (
        <Tile title="Witnesses" tone={log.quorum_trouble === "" ? "good" : "warn"} figure={`${log.quorum} of ${log.witnesses.length}`}>
          wanted; {log.quorum_trouble === "" ? "" : "too few cosign; "}
          {log.witnessed_size.toLocaleString("en")} entries seen
        </Tile>
      )}
    </>
  );
}

function Away({ since }: { since: string }) {
  return <Tile title="m8" tone="bad" figure="away">for <HowLong since={since} />, since {exact(since)}. The rest was true before.</Tile>;
}

function Login({ renewed, until }: { renewed: boolean; until: string }) {
  return renewed ? <Tile title="Your login" tone="good" figure="renewed">by monoctl itself</Tile> : <Tile title="Your login" figure="ends"><Time at={until} quiet /></Tile>;
}

/** "50 hours", "89 days", "5 years". */
function leftWords(ms: number): string {
  const days = Math.floor(ms / 86_400_000);
  if (days < 3) return counted(Math.floor(ms / 3_600_000), "hour");
  return days < 730 ? counted(days, "day") : counted(Math.round(days / 365.25), "year");
}

/** How long something is still valid. Red within 3 days, yellow within 14. */
function Until({ title, at, never }: { title: string; at: string; never: string }) {
  const now = useNow();
  const end = Date.parse(at);
  if (Number.isNaN(end)) return <Tile title={title} figure="–">{never}</Tile>;
  const days = Math.floor((end - now) / 86_400_000);
  const tone: Tone = days < 3 ? "bad" : days < 14 ? "warn" : "good";
  return <Tile title={title} tone={tone} figure={end < now ? "expired" : leftWords(end - now)}>{end < now ? "since " : "until "}{at.slice(0, 10)}</Tile>;
}
