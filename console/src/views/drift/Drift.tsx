/** Secrets of which the engine does not hold what was put, what that means, and what can be done.
 *
 * Secrets of which the engine says something else than the newest receipt: by status, with what it means and what to do.
 */

import { useState } from "preact/hooks";
import type { Secret } from "../../api/documents/shown";
import { notAllowed } from "../../forms/able";
import { Button, Card, type Column, Empty, FailureBox, PageHead, Pages, Person, Proven, Skeleton, Status, Table, Time, Uri } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import { counted } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import type { Place } from "../../state/navigation";
import { type FormName, openForm } from "../../state/openForm";

interface DriftWord {
  status: string;
  title: string;
  meaning: string;
  /** What to do, in the order in which it makes sense. */
  steps: { form: FormName; button: string; why: string }[];
}

const DRIFT_WORDS: readonly DriftWord[] = [
  {
    status: "GONE",
    title: "Gone",
    meaning: "The engine holds nothing at this place any more. Somebody deleted it there, and not through m8.",
    steps: [
      { form: "verify", button: "Verify again", why: "Somebody may have brought it back." },
      { form: "put", button: "Put it again", why: "You need the value for this: m8 cannot give it back." },
    ],
  },
  {
    status: "DRIFTED",
    title: "Drifted",
    meaning: "The engine holds something that no receipt names. Somebody changed it there, and not through m8.",
    steps: [
      { form: "import", button: "Import it", why: "If the change was right: m8 adopts what is there, and nothing is written." },
      { form: "put", button: "Put it again", why: "If the change was wrong: put the right value, and allow to overwrite." },
      { form: "verify", button: "Verify again", why: "If somebody has mended it in the engine." },
    ],
  },
  {
    status: "OVERWROTE",
    title: "Overwrote",
    meaning: "The last put replaced what others had put into the engine. What they had put is gone from the current version.",
    steps: [{ form: "verify", button: "Verify", why: "If the engine still holds what was put, the secret is in sync from then on. Ask the others whether they miss theirs." }],
  },
];

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
  { id: "put", title: "Last put", cell: (secret) => <span><Person of={secret.subject} />, <Time at={secret.changed_at} quiet /></span> },
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
