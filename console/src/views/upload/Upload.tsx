/** One request: its steps, how it ended, and what proves that. */

import type { Event, Upload } from "../../api/documents/shown";
import { Banner, Button, Card, CopyButton, Facts, FailureBox, FalseProof, Icon, Link, Outcome, outcomeWords, PageHead, Person, Proven, Said, SignedBy, Skeleton, Time, Uri } from "../../parts";
import { signedBy } from "../../pictures/events/sentences";
import { reasonWords } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import { go, type Place } from "../../state/navigation";
import { openForm } from "../../state/openForm";
import { isUnknown, PURPOSE_WORDS, type Step, stepsOf } from "./steps";

function Ending({ upload }: { upload: Upload }) {
  return (
    <div class="banners">
      {upload.is_false && <FalseProof why={upload.why_not_proven} />}
      <Words upload={upload} />
    </div>
  );
}

function Words({ upload }: { upload: Upload }) {
  const { state, outcome, reason, proven, why_not_proven } = upload;
  if (isUnknown(upload)) return <Unknown upload={upload} />;
  if (state !== "ENDED")
    return (
      <Banner tone="info" icon="clock">
        It is under way. This page follows it.
      </Banner>
    );
  if (outcome === "FAILED")
    return (
      <Banner tone="bad" icon="alert">
        <p>
          <strong>It failed: {reasonWords(reason)}</strong>
        </p>
        {upload.failure && (
          <>
            <p>
              <Said text={upload.failure.message} />
            </p>
            <p>
              <Said text={upload.failure.fix} />
            </p>
          </>
        )}
      </Banner>
    );
  if (!proven)
    return (
      <Banner tone="warn" icon="shield">
        <strong>{outcome === "" ? "It ended." : `${outcomeWords(outcome)}.`}</strong> That is m8's word: {why_not_proven}
      </Banner>
    );
  const broken = upload.break_glass ?? "";
  return (
    <Banner tone={broken === "" ? "good" : "warn"} icon={broken === "" ? "shieldCheck" : "alert"}>
      <strong>{outcomeWords(outcome)}{broken !== "" && ", without approvals"}.</strong> The receipt of the store's pinned identity proves it
      {broken === "" ? "." : `, and that the glass was broken: ${broken}`}
    </Banner>
  );
}

const LOST = "The reactor lost the key of this request, as when it restarts. As far as it knows, nothing was written; but what was sent may have reached another process before.";
const BROKEN = "The reactor lost touch with its engine in the middle. What was there before is still there, or what was asked for is.";

function Unknown({ upload }: { upload: Upload }) {
  return (
    <Banner tone="warn" icon="alert">
      <p>
        <strong>Nobody knows whether it was done.</strong> {upload.reason === "KEY_LOST" || upload.m8_says.includes("KEY_LOST") ? LOST : BROKEN}
      </p>
      <p>Before you send it again: compare what you have with what is upstream, or verify the secret.</p>
      <div class="box-actions">
        <Button small icon="compare" onClick={() => openForm("compare", { uri: upload.uri })}>
          Compare
        </Button>
        <Button small icon="shieldCheck" onClick={() => openForm("verify", { uris: [upload.uri] })}>
          Verify
        </Button>
        <Button small kind="quiet" onClick={() => go({ view: "secret", uri: upload.uri })}>
          Look at the secret
        </Button>
      </div>
    </Banner>
  );
}

const STATES: Record<Step["at"], string> = { done: "done", now: "reached now", failed: "failed", next: "to come", skipped: "not needed" };

function Walk({ upload, events }: { upload: Upload; events: readonly Event[] }) {
  const steps = stepsOf(upload, events);
  return (
    <>
      <ol class="walk">
        {steps.map((step) => (
          <li key={step.title} class={`step step-${step.at}`}>
            <span class="step-mark">
              <Icon name={step.at === "done" && step.icon !== "shieldCheck" ? "check" : step.icon} label={STATES[step.at]} />
            </span>
            <div>
              <p class="step-title">{step.title}</p>
              <p class="step-what">{step.what}</p>
              {step.when !== "" && (
                <p class="step-when">
                  <Time at={step.when} />
                  {step.who !== "" && <> by <Person of={step.who} /></>}
                </p>
              )}
            </div>
          </li>
        ))}
      </ol>
      <p class="small faint walk-note">The steps and their times are m8's word. Only the receipt at the end is proof.</p>
    </>
  );
}

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
          ["Asked by", <Person of={upload.subject} />],
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
