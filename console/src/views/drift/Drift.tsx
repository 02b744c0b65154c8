/** Secrets of which the engine says something else than the newest receipt: by status, with what it means and what to do. */

import { useState } from "preact/hooks";
import type { Secret } from "../../api/documents/secrets";
import { notAllowed } from "../../forms/able";
import { Button, Card, type Column, Empty, FailureBox, PageHead, Pages, Proven, Skeleton, Status, Table, Time, Uri } from "../../parts";
import { shortVersion } from "../../parts/words/version";
import { counted } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import type { Place } from "../../state/navigation";
import { openForm } from "../../state/openForm";
import { DRIFT_WORDS, type DriftWord } from "./meaning";

export function Drift(_: { place: Place }) {
  const { data, failure, loading, again } = useAnswer<{ secrets: Secret[] }>("drift");
  const secrets = data?.secrets ?? [];
  return (
    <div class="pic-view">
      <PageHead title="Drift" lead="Secrets of which the engine says something else than the newest receipt, when it was last asked." />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={6} />}
      {data !== undefined && secrets.length === 0 && (
        <Empty icon="check" title="No drift is known.">
          Only a verification finds drift. Verify the secrets that matter to you, or have m8 verify on a schedule (verify_every_hours in m8.toml).
        </Empty>
      )}
      {DRIFT_WORDS.map((word) => {
        const some = secrets.filter((secret) => secret.status === word.status);
        return some.length > 0 && <Group key={word.status} word={word} secrets={some} />;
      })}
    </div>
  );
}

const SIZE = 25;

const COLUMNS: Column<Secret>[] = [
  { id: "uri", title: "Secret", look: "main", cell: (secret) => <Uri uri={secret.uri} /> },
  { id: "seen", title: "Last verified", cell: (secret) => <Time at={secret.verified_at} quiet /> },
  { id: "put", title: "Last put", cell: (secret) => <span>{secret.subject}, <Time at={secret.changed_at} quiet /></span> },
  { id: "version", title: "Version by the receipt", cell: (secret) => <code title={secret.upstream_version}>{shortVersion(secret.upstream_version) || "–"}</code> },
  { id: "proof", title: "Proof", look: "tight", cell: (secret) => <Proven of={secret} brief /> },
];

function Group({ word, secrets }: { word: DriftWord; secrets: Secret[] }) {
  const who = useMe();
  const [page, setPage] = useState(0);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(() => new Set(secrets.length === 1 ? [secrets[0]?.uri ?? ""] : []));
  const at = Math.min(page, Math.ceil(secrets.length / SIZE) - 1);
  const uris = secrets.map((secret) => secret.uri).filter((uri) => chosen.has(uri));
  const none = uris.length === 0 ? "Choose secrets in the table first." : "";
  return (
    <Card title={<><Status of={word.status} /> {counted(secrets.length, "secret")}</>} flush>
      <div class="pic-drift">
        <p>{word.meaning}</p>
        <ul class="pic-steps">
          {word.steps.map((step) => {
            const right = notAllowed(step.form, who);
            const several = step.form === "put" && uris.length > 1 ? "Put one secret at a time: each has its own value." : "";
            return (
              <li key={step.form}>
                <Button small why={right || none || several} onClick={() => openForm(step.form, uris.length === 1 && uris[0] !== undefined ? { uri: uris[0] } : { uris })}>{step.button}</Button>
                <span>{step.why}</span>
              </li>
            );
          })}
        </ul>
      </div>
      <Table caption={`${word.title}: secrets`} columns={COLUMNS} rows={secrets.slice(at * SIZE, (at + 1) * SIZE)} keyOf={(secret) => secret.uri} chosen={chosen} onChoose={setChosen} />
      {secrets.length > SIZE && <Pages page={at} size={SIZE} total={secrets.length} onPage={setPage} />}
    </Card>
  );
}
