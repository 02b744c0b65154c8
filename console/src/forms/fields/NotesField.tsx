/** Labels and the day of expiry that come with a put. */

import { Button, Radios, Select, TextField } from "../../parts";
import { dayProblem, inDays, type LabelPair, labelProblem, newPair, type NotesDraft } from "./notes";

interface NotesFieldProps {
  draft: NotesDraft;
  onChange: (draft: NotesDraft) => void;
  shown: boolean;
}

/** Both, each kept as it is unless the user says otherwise. */
export function NotesField({ draft, onChange, shown }: NotesFieldProps) {
  return (
    <>
      <Select
        label="Labels"
        hint="Notes that everybody who sees the secret can read. Never secret."
        value={draft.labels}
        choices={[
          { value: "keep", text: "Keep those that it has" },
          { value: "replace", text: "Replace them with…" },
          { value: "clear", text: "Remove all" },
        ]}
        onChange={(labels) => onChange({ ...draft, labels: labels as NotesDraft["labels"], pairs: draft.pairs.length > 0 ? draft.pairs : [newPair()] })}
      />
      {draft.labels === "replace" && <LabelPairs pairs={draft.pairs} shown={shown} onChange={(pairs) => onChange({ ...draft, pairs })} />}
      <Radios
        legend="Expires"
        value={draft.expiry}
        choices={[
          { value: "keep", text: "Keep the day that it has" },
          { value: "set", text: "On a day" },
          { value: "remove", text: "Never" },
        ]}
        onChange={(expiry) => onChange({ ...draft, expiry: expiry as NotesDraft["expiry"] })}
      />
      {draft.expiry === "set" && <DayField day={draft.day} error={shown ? dayProblem(draft.day) : ""} onChange={(day) => onChange({ ...draft, day })} />}
    </>
  );
}

/** Names and values of labels. */
export function LabelPairs({ pairs, onChange, shown }: { pairs: readonly LabelPair[]; onChange: (pairs: readonly LabelPair[]) => void; shown: boolean }) {
  const set = (id: number, change: Partial<LabelPair>) => onChange(pairs.map((pair) => (pair.id === id ? { ...pair, ...change } : pair)));
  return (
    <div class="label-pairs" role="group" aria-label="Labels">
      {pairs.map((pair, at) => (
        <div class="label-pair" key={pair.id}>
          <TextField label={`Name of label ${at + 1}`} hideLabel placeholder="owner" value={pair.name} error={shown ? labelProblem(pair, pairs) : ""} onInput={(name) => set(pair.id, { name })} />
          <TextField label={`Value of label ${at + 1}`} hideLabel placeholder="team-a" value={pair.value} onInput={(value) => set(pair.id, { value })} />
          <Button kind="quiet" icon="x" label={`Remove label ${pair.name || at + 1}`} onClick={() => onChange(pairs.filter((one) => one.id !== pair.id))} />
        </div>
      ))}
      {pairs.length < 16 && (
        <Button small icon="plus" onClick={() => onChange([...pairs, newPair()])}>
          Add a label
        </Button>
      )}
    </div>
  );
}

const SOON: readonly [string, number][] = [
  ["30 days", 30],
  ["90 days", 90],
  ["1 year", 365],
];

/** A day of the calendar, with the ones that are chosen most. */
export function DayField({ day, onChange, error }: { day: string; onChange: (day: string) => void; error: string }) {
  return (
    <div class="day-field">
      <TextField label="Day" type="date" value={day} error={error} hint="A note: m8 does nothing on that day; the console shows what expires." onInput={onChange} />
      <div class="day-soon" role="group" aria-label="Days that are often chosen">
        {SOON.map(([title, days]) => (
          <Button key={days} small onClick={() => onChange(inDays(days))}>
            {title}
          </Button>
        ))}
      </div>
    </div>
  );
}
