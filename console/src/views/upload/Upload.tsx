/** One request: how far it went, and what became of it. */

import type { Event, Upload } from "../../api/documents/requests";
import { Card, CopyButton, Facts, FailureBox, Link, Outcome, PageHead, Proven, SignedBy, Skeleton, Time, Uri } from "../../parts";
import { signedBy } from "../../pictures/events/sentences";
import { useAnswer } from "../../state/answer";
import { go, type Place } from "../../state/navigation";
import { Ending } from "./Ending";
import { PURPOSE_WORDS } from "./steps";
import { Walk } from "./Walk";

export function UploadView({ place }: { place: Place }) {
  const requestId = place.requestId ?? "";
  const when = { when: (message: { kind: string; event?: Event; request_id?: string }) => isOf(message, requestId) };
  const { data: upload, failure, loading, again } = useAnswer<Upload>("upload", { request_id: requestId }, when);
  const events = useAnswer<{ events: Event[] }>("events", { request_id: requestId, limit: 100 }, when);
  return (
    <>
      <PageHead
        above={<Above upload={upload} />}
        title={upload === undefined ? "A request" : (PURPOSE_WORDS[upload.purpose] ?? upload.purpose)}
        lead={upload !== undefined && <Uri uri={upload.uri} still />}
      />
      {failure !== undefined && (
        <div class="above">
          <FailureBox failure={failure} onRetry={again} tone={upload === undefined ? "bad" : "warn"} />
        </div>
      )}
      {loading && <Skeleton lines={8} />}
      {upload !== undefined && (
        <>
          <Ending upload={upload} />
          <div class="columns">
            <Card title="The walk">
              <Walk upload={upload} events={events.data?.events ?? []} />
            </Card>
            <Card title="Request">
              <RequestFacts upload={upload} events={events.data?.events ?? []} />
            </Card>
          </div>
        </>
      )}
    </>
  );
}

/** The way back: to all secrets, and to this one. */
function Above({ upload }: { upload: Upload | undefined }) {
  return (
    <nav aria-label="Above">
      <Link onClick={() => go({ view: "secrets" })}>Secrets</Link>
      {upload !== undefined && (
        <>
          {" / "}
          <Uri uri={upload.uri} />
        </>
      )}
    </nav>
  );
}

/** Whether a message of the live stream is about this request, or m8 is back. */
function isOf(message: { kind: string; event?: Event; request_id?: string; away?: string }, requestId: string): boolean {
  if (message.kind === "m8") return message.away === "";
  return message.event?.request_id === requestId || message.request_id === requestId;
}

/** Whether m8 says of the end what the receipt says: then it is shown once. */
function saysTheSame({ m8_says, outcome, reason }: Upload): boolean {
  return m8_says === (reason === "" ? outcome : `${outcome}: ${reason}`);
}

function RequestFacts({ upload, events }: { upload: Upload; events: readonly Event[] }) {
  const said = events.map(signedBy).find(({ signer }) => signer !== "");
  return (
    <div class="request-facts">
      <Facts
        of={[
          ["State", upload.state === "ENDED" ? "ended" : "under way"],
          ["Outcome", upload.outcome === "" ? <span class="faint">{upload.has_receipt ? "none that counts" : upload.state === "ENDED" ? "m8 shows no receipt" : "no receipt yet"}</span> : <Outcome of={upload.outcome} />],
          upload.reason === "" ? null : ["Reason", <code>{upload.reason}</code>],
          ["Proof", <Proven of={upload} />],
          upload.proven || upload.why_not_proven === "" ? null : ["Not proven", upload.why_not_proven],
          upload.m8_says === "" || (upload.proven && saysTheSame(upload)) ? null : ["m8 says", <span class="faint">{upload.m8_says}, unchecked</span>],
          upload.destination === "" ? null : ["Destination", <Uri uri={upload.destination} />],
          ["Asked by", upload.subject],
          upload.signer !== "" ? ["Signed by", <SignedBy of={upload} />] : said === undefined ? null : ["Signed by", <span class="faint">by m8’s word: <SignedBy of={said} />, unchecked</span>],
          ["Asked", <Time at={upload.requested_at} />],
          ["Last change", <Time at={upload.changed_at} />],
          [
            "Id",
            <span class="hash">
              <code>{upload.request_id}</code>
              <CopyButton text={upload.request_id} what="request id" />
            </span>,
          ],
        ]}
      />
    </div>
  );
}
