/** What came of each secret: what was done, or why not and what to do. */

import type { ComponentChildren } from "preact";
import type { Done, Failure, Row } from "../../api/documents/sending";
import { Button, CopyButton, Facts, FailureBox, Hash, Icon, Link, Outcome, Proven, Said, Uri } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import { go } from "../../state/navigation";
import { type Sending, summary } from "./useSending";

const BY_RECEIPT = { proven: true, why_not_proven: "", is_false: false };

interface DoneRowProps {
  uri: string;
  outcome: string;
  requestId: string;
  close: () => void;
  /** What follows below it. */
  children?: ComponentChildren;
}

/** A secret, its outcome, and the mark that a receipt proves it. A result is only ever shown if one does. */
export function DoneHead({ uri, outcome, requestId, close, children }: DoneRowProps) {
  const leave = (place: Parameters<typeof go>[0]) => {
    close();
    go(place);
  };
  return (
    <div class="done">
      <div class="done-head">
        <Link class="uri" onClick={() => leave({ view: "secret", uri })}>
          <Uri uri={uri} still />
        </Link>
        <Outcome of={outcome} />
        <Proven of={BY_RECEIPT} />
      </div>
      {children}
      {requestId !== "" && (
        <Link class="small" onClick={() => leave({ view: "upload", requestId, uri })}>
          Show the request
        </Link>
      )}
    </div>
  );
}

/** What was done, as most commands show it. */
export function DoneRow({ result, close }: { result: Done; close: () => void }) {
  return (
    <DoneHead uri={result.uri} outcome={result.outcome} requestId={result.request_id} close={close}>
      {result.outcome === "UNCHANGED" && <p>The same content was there already. Nothing was written.</p>}
      <Facts of={factsOf(result)} />
      {Object.entries(result.public_values ?? {}).map(([key, text]) => (
        <PublicHalf key={key} name={key} text={text} />
      ))}
    </DoneHead>
  );
}

function factsOf(result: Done): [string, ComponentChildren][] {
  const facts: [string, ComponentChildren][] = [];
  const add = (title: string, text: ComponentChildren) => facts.push([title, text]);
  const version = (title: string, text: string | undefined) => text !== undefined && text !== "" && add(title, <code>{shortVersion(text)}</code>);
  if (result.destination !== undefined) add("Copied to", <Uri uri={result.destination} still />);
  version("Version", result.destination_version ?? result.upstream_version);
  version("Content of version", result.restored_version);
  version("Deleted version", result.deleted_version);
  if (result.destroyed !== undefined) add("Erased for good", result.destroyed ? "yes" : "no: it can be restored");
  if (result.hash !== undefined && result.hash !== "") add("Hash", <Hash hash={result.hash} copy />);
  return facts;
}

/** The public half of a key pair. It is no secret: it is meant to be copied. */
function PublicHalf({ name, text }: { name: string; text: string }) {
  return (
    <figure class="public-half">
      <figcaption>
        The public half of <code>{name}</code>. It is no secret. <CopyButton text={text} what={`public half of ${name}`} />
      </figcaption>
      <pre tabIndex={0}>{text}</pre>
    </figure>
  );
}

interface FailedProps {
  failure: Failure;
  /** The secret, if the failure does not name it. */
  uri?: string;
  /** Of the request; "" if that is not known. */
  requestId?: string;
  /** Leave the form. */
  close: () => void;
}

/** Show a failure. After OUTCOME_UNKNOWN it says what may have happened, and leads to the request. */
function Failed({ failure, uri = "", requestId = "", close }: FailedProps) {
  const about = failure.uri || uri;
  const request = failure.request_id || requestId;
  const look = () => {
    close();
    go(request === "" ? { view: "secret", uri: about } : { view: "upload", requestId: request, uri: about });
  };
  const button = (about !== "" || request !== "") && (
    <Button small icon="search" onClick={look}>
      {request === "" ? "Look at the secret" : "Look at the request"}
    </Button>
  );
  return (
    <section class="send-failed">
      {about !== "" && <Uri uri={about} still />}
      {failure.code === "OUTCOME_UNKNOWN" ? <Unknown failure={failure}>{button}</Unknown> : <FailureBox failure={failure}>{request !== "" && button}</FailureBox>}
    </section>
  );
}

/** What is not known, and what may be the case. */
function Unknown({ failure, children }: { failure: Failure; children: ComponentChildren }) {
  return (
    <div class="box box-warn unknown" role="alert">
      <Icon name="alert" />
      <div class="box-text">
        <p class="box-title">It may or may not have been done.</p>
        <p>
          <Said text={failure.message} />
        </p>
        <ul>
          <li>Either the store did it, and only its receipt did not come back.</li>
          <li>Or it did nothing. What was there before is then still there.</li>
        </ul>
        <p>
          <Said text={failure.fix || "Look at the request before you try again."} />
        </p>
        <div class="box-actions">{children}</div>
      </div>
    </div>
  );
}

interface ResultsProps<T> {
  sending: Sending<T>;
  /** The secrets, in the order in which they were sent. */
  uris: readonly string[];
  /** What is shown of one that was done. */
  done: (result: T) => ComponentChildren;
  close: () => void;
}

/** Show the rows in the order of the call. */
export function ResultList<T>({ sending, uris, done, close }: ResultsProps<T>) {
  const several = sending.results.length > 1;
  return (
    <div class="send-results" role="status">
      {several && <p class="send-summary">{summary(sending.results)}</p>}
      {sending.results.length === 0 && <p class="send-summary">There was nothing to do.</p>}
      <ul class="send-rows">
        {sending.results.map((row, index) => (
          <li key={index} class={`send-row ${"done" in row ? "is-done" : "is-failed"}`}>
            <OneResult row={row} uri={uris[index] ?? ""} sending={sending} done={done} close={close} />
          </li>
        ))}
      </ul>
      {sending.notes.map((note) => (
        <p class="send-note" key={note}>
          {note}
        </p>
      ))}
    </div>
  );
}

function OneResult<T>({ row, uri, sending, done, close }: { row: Row<T>; uri: string } & Omit<ResultsProps<T>, "uris">) {
  if ("done" in row) return <>{done(row.done)}</>;
  const about = row.failed.uri || uri;
  return <Failed failure={row.failed} uri={about} requestId={sending.progress.get(about)?.requestId ?? ""} close={close} />;
}
