/** Changes that take approvals: those that wait for the user, and all that the user may see. */

import { useState } from "preact/hooks";
import type { Change, Changes } from "../../api/documents/changes";
import { Card, ChipMenu, type Column, Empty, FailureBox, Link, PageHead, Proven, Skeleton, Table, Time, Uri } from "../../parts";
import { counted } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";
import { concernsChanges, useWaiting } from "../../state/waiting";
import { State, STATES, whatOf } from "./words";

const COLUMNS: readonly Column<Change>[] = [
  {
    id: "what",
    title: "Change",
    look: "main",
    cell: (change) => (
      <>
        <Link at={`change ${change.change_id}`} label={`${whatOf(change)} ${change.place}: look at the change`} onClick={() => go({ view: "change", changeId: change.change_id })}>
          {whatOf(change)}
        </Link>{" "}
        <Uri uri={change.place} still />
      </>
    ),
  },
  { id: "requester", title: "Requester", cell: (change) => change.requester },
  { id: "reason", title: "Reason", look: "wide", cell: (change) => change.reason || "–" },
  { id: "approved", title: "Approvals", look: "number", cell: (change) => change.approved },
  { id: "state", title: "State", cell: (change) => <State of={change} /> },
  { id: "proposed", title: "Proposed", cell: (change) => <Time at={change.proposed_at} quiet /> },
  { id: "until", title: "Until", look: "wide", cell: (change) => <Time at={change.not_after} quiet /> },
  { id: "proof", title: "What it expects", look: "tight", cell: (change) => <Proven of={{ ...change, is_false: false }} brief /> },
];

export function Approvals(_: { place: Place }) {
  const mayApprove = useMe().rights.includes("approve");
  return (
    <>
      <PageHead
        title="Approvals"
        lead="Changes that others must approve before a store writes. State and times are m8’s word; only the store’s reactor decides whether approvals are enough."
      />
      <div class="column">
        {mayApprove && <Waiting />}
        <All />
      </div>
    </>
  );
}

function Waiting() {
  const answer = useWaiting();
  return (
    <Card title="Waiting for you" flush>
      <List answer={answer} caption="Changes that wait for your approval" nothing="Nothing waits for your approval." />
    </Card>
  );
}

const WHICH = [{ value: "mine", text: "Proposed by you" }, ...Object.entries(STATES).map(([value, state]) => ({ value: value.toLowerCase(), text: state.text }))];

function All() {
  const [which, setWhich] = useState("");
  const asked = which === "" ? {} : which === "mine" ? { mine: true } : { state: which };
  const answer = useAnswer<Changes>("changes", asked, { when: concernsChanges });
  return (
    <Card title="All that you may see" flush actions={<ChipMenu name="Which" choices={WHICH} value={which} all="All" onChange={setWhich} />}>
      <List answer={answer} caption="Changes" nothing="No changes. Others propose them with --propose in the terminal." />
    </Card>
  );
}

function List({ answer, caption, nothing }: { answer: ReturnType<typeof useWaiting>; caption: string; nothing: string }) {
  const { data, failure, loading, stale, again } = answer;
  return (
    <>
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={3} />}
      {data !== undefined && data.changes.length === 0 && <Empty icon="check" title={nothing} />}
      {data !== undefined && data.changes.length > 0 && <Table caption={caption} columns={COLUMNS} rows={data.changes} keyOf={(change) => change.change_id} stale={stale} />}
      {data?.more === true && <p class="small faint approvals-more">These are the newest {counted(data.changes.length, "change")}. In a terminal, monoctl get changes lists more.</p>}
    </>
  );
}
