/** Labels and the day of expiry: what is typed, what is wrong with it, and what is sent.
 *
 * Labels and the day of expiry, as a form has them before they are sent. Neither is secret.
 */

import type { Notes } from "../../api/documents/sending";
import { Button, Radios, Select, TextField } from "../../parts";

export interface LabelPair {
  id: number;
  name: string;
  value: string;
}

interface NotesDraft {
  labels: "keep" | "replace" | "clear";
  pairs: readonly LabelPair[];
  expiry: "keep" | "set" | "remove";
  /** YYYY-MM-DD. */
  day: string;
}

/** Nothing changes. */
export const KEPT: NotesDraft = { labels: "keep", pairs: [], expiry: "keep", day: "" };

let lastId = 0;

export function newPair(name = "", value = ""): LabelPair {
  lastId += 1;
  return { id: lastId, name, value };
}

const NAME = /^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/;

/** Say what is wrong with one label, "" for nothing. */
export function labelProblem(pair: LabelPair, all: readonly LabelPair[]): string {
  if (pair.name === "") return "Name the label.";
  if (!NAME.test(pair.name)) return "A label's name has 1 to 63 of a–z, 0–9, “.”, “_”, “/” and “-”, a letter or digit at both ends.";
  if (pair.value.length > 128) return "A label's value has at most 128 characters.";
  return all.some((other) => other !== pair && other.name === pair.name) ? "This label is there twice." : "";
}

/** Say what is wrong with a day, "" for nothing. */
export function dayProblem(day: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(day)) ? "" : "Choose a day.";
}

/** Whether a draft can be sent. */
export function notesValid(draft: NotesDraft): boolean {
  const labels = draft.labels !== "replace" || (draft.pairs.length > 0 && draft.pairs.length <= 16 && draft.pairs.every((pair) => labelProblem(pair, draft.pairs) === ""));
  return labels && (draft.expiry !== "set" || dayProblem(draft.day) === "");
}

/** Return what is sent. */
export function notesOf(draft: NotesDraft): Notes {
  const labels = { keep: null, clear: {}, replace: Object.fromEntries(draft.pairs.map(({ name, value }) => [name, value])) }[draft.labels];
  const expires_on = { keep: null, set: draft.day, remove: "" }[draft.expiry];
  return { labels, expires_on };
}

/** Return the day so many days from today, by the calendar of UTC. */
function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}

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
