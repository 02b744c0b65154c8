/** Who may do what by role bindings, for administrators and auditors. It is shown here, and changed in the terminal. */

import type { Live } from "../api/documents/session";
import type { RoleBinding } from "../api/documents/shown";
import { Badge, Card, type Column, Empty, FailureBox, List, PageHead, Skeleton, Table } from "../parts";
import { useAnswer } from "../state/answer";
import type { Place } from "../state/navigation";

const concerns = (message: Live): boolean =>
  (message.kind === "m8" && message.away === "") || (message.kind === "event" && message.event.type.startsWith("RoleBinding"));

const COLUMNS: readonly Column<RoleBinding>[] = [
  { id: "name", title: "Name", look: "main", cell: (one) => <code>{one.name}</code> },
  { id: "role", title: "Role", look: "tight", cell: (one) => <Badge tone={one.role === "user" ? "plain" : "info"}>{one.role}</Badge> },
  { id: "members", title: "Members", cell: (one) => <List of={one.members} mono /> },
  { id: "prefix", title: "Below", look: "tight", cell: (one) => (one.prefix === "" ? <span class="faint">everywhere</span> : <code>{one.prefix}</code>) },
  { id: "version", title: "Version", look: "tight", cell: (one) => <code>{one.version}</code> },
  { id: "rights", title: "Rights", cell: (one) => (one.rights.length === 0 ? <span class="faint">of the role</span> : <List of={one.rights} />) },
];

export function RoleBindings(_: { place: Place }) {
  const { data, failure, loading, stale, again } = useAnswer<{ role_bindings: RoleBinding[] }>("role-bindings", {}, { when: concerns });
  return (
    <div class="pic-view">
      <PageHead title="Role bindings" lead={<>Who may do what, by m8’s word. Change them in a terminal: <code>monoctl apply -f bindings.yaml</code>.</>} />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={6} />}
      {data?.role_bindings.length === 0 && <Empty icon="user" title="There is no role binding.">Tokens with rights of their own need none.</Empty>}
      {data !== undefined && data.role_bindings.length > 0 && (
        <Card flush>
          <Table caption="Role bindings" columns={COLUMNS} rows={data.role_bindings} keyOf={(one) => one.name} stale={stale} />
        </Card>
      )}
    </div>
  );
}
