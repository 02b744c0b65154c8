/** One change: all that is asked, what of it is proven and by what, and what the user can say to it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { ChangeShown } from "../../api/documents/changes";
import type { Failure } from "../../api/documents/sending";
import { failureOf } from "../../forms/send/useSending";
import { Banner, Button, Card, CopyButton, Dialog, Facts, FailureBox, Link, PageHead, Skeleton, TextField, Uri } from "../../parts";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";
import { addNote, announce } from "../../state/notes";
import { concernsChanges } from "../../state/waiting";
import { Says, STATES, State, whatOf } from "./words";

type Deed = "approve" | "decline" | "withdraw";

const DID: Readonly<Record<Deed, string>> = { approve: "You have approved the change.", decline: "You have declined the change.", withdraw: "You have withdrawn the change." };

export function ChangeView({ place }: { place: Place }) {
  const id = place.changeId ?? "";
  const { data: change, failure, loading, again } = useAnswer<ChangeShown>("change", { change_id: id }, { when: concernsChanges });
  const doing = useDoing(again);
  // What the user began to read is what they approve: m8 could show another change under the same id meanwhile.
  const read = useRef("");
  if (change !== undefined) read.current ||= change.sha256;
  const isOther = change !== undefined && change.sha256 !== read.current;
  return (
    <>
      <PageHead
        above={
          <nav aria-label="Above">
            <Link onClick={() => go({ view: "approvals" })}>Approvals</Link>
          </nav>
        }
        title={change === undefined ? "A change" : `${whatOf(change)} a secret`}
        lead={change !== undefined && <><Uri uri={change.place} still /> <State of={change} /></>}
      />
      <div class="banners">
        {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={change === undefined ? "bad" : "warn"} />}
        {change !== undefined && doing.busy === "approve" && <Agree change={change} />}
        {doing.failure !== null && <FailureBox failure={doing.failure} />}
        {isOther && (
          <Banner tone="bad" icon="alert">
            <strong>m8 shows another change than before.</strong> It has the same id, and asks for something else. Do not approve it. Tell its requester and your administrator, by another way than m8.
          </Banner>
        )}
        {change !== undefined && <Words change={change} />}
      </div>
      {loading && <Skeleton lines={10} />}
      {change !== undefined && (
        <div class="columns">
          <div class="column">
            <Card title="What is asked" actions={<CopyButton text={change.sha256} what="SHA-256">Copy the SHA-256</CopyButton>}>
              <Lines change={change} />
            </Card>
          </div>
          <div class="column">
            <Card title="What you can say">
              <Say change={change} isOther={isOther} doing={doing} />
            </Card>
          </div>
        </div>
      )}
    </>
  );
}

/** The lines that `monoctl describe change` prints. */
function Lines({ change }: { change: ChangeShown }) {
  return (
    <>
      <Facts
        of={change.lines.map(({ name, text, said_by }) => [
          name,
          <>
            <span class="change-line">{text}</span> <Says by={said_by} />
          </>,
        ])}
      />
      <p class="small faint approvals-note">Lines without a mark stand in the change itself: they are what you sign. Whose keys approved it, and whether they are enough, only the store’s reactor decides.</p>
    </>
  );
}

/** What must not be overlooked. */
function Words({ change }: { change: ChangeShown }) {
  if (!change.pinned)
    return (
      <Banner tone="bad" icon="alert">
        <strong>The identity in this change is not pinned here.</strong> So nothing says whose change this is, and nothing is signed. Ask the store’s operator for its identity, by another way than m8.
      </Banner>
    );
  if (change.state === "OPEN") return null;
  return (
    <Banner tone="info" icon="info">
      {change.done ? "It was done: the receipt of the store’s pinned identity proves it." : `m8 says: ${STATES[change.state]?.means ?? change.state}`}
    </Banner>
  );
}

/** What the person has to do now, outside of the page. */
function Agree({ change }: { change: ChangeShown }) {
  return (
    <Banner tone="warn" icon="key">
      {change.by === "touch" ? (
        <strong>Touch your security key to approve exactly this change.</strong>
      ) : (
        <>
          <strong>Look at the terminal of monoctl console.</strong> It shows the change once more. To sign it, type there: <code>{change.word}</code>
        </>
      )}
    </Banner>
  );
}

interface Doing {
  busy: Deed | null;
  failure: Failure | null;
  run: (deed: Deed, request: object) => Promise<void>;
}

/** One thing at a time. What is said when it is over is heard also elsewhere on the page. */
function useDoing(again: () => void): Doing {
  const [busy, setBusy] = useState<Deed | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const left = useRef(false);
  useEffect(() => () => void (left.current = true), []);
  const run = async (deed: Deed, request: object) => {
    if (busy !== null) return;
    setBusy(deed);
    setFailure(null);
    try {
      await call<ChangeShown>(deed, request);
      addNote(DID[deed], "good");
    } catch (error) {
      const why = failureOf(error);
      setFailure(why);
      if (left.current) addNote(`${why.message} ${why.fix}`, "warn");
      else announce(why.message);
    }
    setBusy(null);
    again();
  };
  return { busy, failure, run };
}

const ENDS = new Set(["DONE", "ENDED", "WITHDRAWN", "DECLINED"]);

function Say({ change, isOther, doing }: { change: ChangeShown; isOther: boolean; doing: Doing }) {
  const [declining, setDeclining] = useState(false);
  const mayApprove = useMe().rights.includes("approve");
  const over = ENDS.has(change.state) ? "m8 carries this change no more." : "";
  const id = { change_id: change.change_id };
  if (change.own)
    return (
      <>
        <p>You proposed it, as m8 says. Once it is approved, execute it in a terminal:</p>
        <p><code class="change-line">monoctl run change {change.change_id}</code></p>
        <Button icon="x" why={over} busy={doing.busy === "withdraw"} onClick={() => void doing.run("withdraw", id)}>Withdraw</Button>
      </>
    );
  const right = mayApprove ? "" : "You have no right “approve”. Ask an administrator for it.";
  const other = isOther ? "m8 shows another change than the one that you began to read." : "";
  const why = right || over || other || (change.why_not === null ? "" : `${change.why_not.message} ${change.why_not.fix}`.trim());
  return (
    <>
      <p>Read every line before you approve: a signature cannot be taken back. It counts for this change, on this version, until its end.</p>
      <div class="box-actions">
        <Button kind="primary" icon="check" why={why} busy={doing.busy === "approve"} onClick={() => void doing.run("approve", { ...id, sha256: change.sha256 })}>
          Approve
        </Button>
        <Button icon="x" why={right || over} busy={doing.busy === "decline"} onClick={() => setDeclining(true)}>
          Decline
        </Button>
      </div>
      {why !== "" && <p class="small" role="note">{why}</p>}
      {declining && <Declining leave={() => setDeclining(false)} decline={(reason) => void doing.run("decline", { ...id, reason })} />}
    </>
  );
}

function Declining({ leave, decline }: { leave: () => void; decline: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  const tooLong = [...reason].length > 500 ? "At most 500 characters." : "";
  return (
    <Dialog
      title="Decline this change"
      onClose={leave}
      actions={
        <>
          <Button onClick={leave}>Not now</Button>
          <Button
            kind="danger"
            why={tooLong}
            onClick={() => {
              leave();
              decline(reason.trim());
            }}
          >
            Decline the change
          </Button>
        </>
      }
    >
      <p>m8 carries it no more. What others have signed stays signed until its end.</p>
      <TextField label="Why, for its requester" optional value={reason} onInput={setReason} error={tooLong} hint="m8 stores it: nothing secret." />
    </Dialog>
  );
}
