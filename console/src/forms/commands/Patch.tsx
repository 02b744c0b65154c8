/** Change some keys of secrets and leave the others. */

import { useState } from "preact/hooks";
import type { Done } from "../../api/documents/results";
import type { PatchRequest } from "../../api/documents/sending";
import { Checkbox, Field } from "../../parts";
import type { FormProps } from "../../state/openForm";
import { EngineOptions, type Options, optionsFor } from "../fields/EngineOptions";
import { ANY, CHANGE, ExpectMore, type Expected, expectOf, expectProblem } from "../fields/Expectation";
import { useKeysOf } from "../fields/KnownKeys";
import { More } from "../fields/More";
import { PlacesField } from "../fields/PlacesField";
import { storesOf } from "../pin/useGate";
import { previewed, sendChecked } from "../send/checked";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { Previews } from "../send/Previews";
import { useForm } from "../send/useForm";
import { keyProblem } from "../values/rules";
import { shownProblems } from "../values/shownProblems";
import { useUnsent } from "../values/useUnsent";
import { useValues } from "../values/useValues";
import { ValueSet } from "../values/ValueSet";

export function PatchForm(props: FormProps) {
  const form = useForm<Done>("patch", props);
  const values = useValues(props.start.keys);
  const [removed, setRemoved] = useState<readonly string[]>([]);
  const [expected, setExpected] = useState<Expected>(ANY);
  const [options, setOptions] = useState<Options>({});
  useUnsent(values, props.setUnsent);
  const { places, stores, attempted, gate } = form;
  const optional = removed.length > 0;
  const blank = optional && !values.unsent() && values.keys().length === 0;
  const both = values.keys().filter((key) => removed.includes(key));
  const chosen = storesOf(places.uris, stores);
  const kind = optionsFor(chosen);
  const request: PatchRequest = { uris: [...places.uris], remove: [...removed], expect: expectOf(expected), options: kind === "" ? {} : { ...options } };
  const valid = places.problems.size === 0 && (blank || values.problems({ optional }).size === 0) && both.length === 0 && removed.every((key) => keyProblem(key) === "") && expectProblem(expected) === "";
  const sent = blank ? { ...values, copies: async () => [] } : values;
  const submit = () => gate.pass(places.uris, () => void form.sending.send(places.uris, () => sendChecked<Done>("patch", request, sent)));
  return (
    <FormFrame
      {...form.frame}
      intro="The keys that you name get new values. All others stay as they are, and so do labels and the day of expiry."
      submit="Change the keys"
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="patch" shown={attempted} several />
      <ValueSet values={values} problems={shownProblems(values, attempted && !blank, { optional })} title="Keys to set" hint="Only these keys change." />
      <RemovedKeys uris={places.uris} removed={removed} onChange={setRemoved} both={both} shown={attempted} />
      <ExpectMore value={expected} onChange={setExpected} words={CHANGE} uri={places.uris.length === 1 ? (places.uris[0] ?? "") : ""} shown={attempted} warning="Keys are changed also where others have put the secret." />
      {kind !== "" && (
        <More title="Options of the engine" summary={Object.keys(options).length === 0 ? "none" : "changed"}>
          <EngineOptions stores={chosen} options={options} onChange={setOptions} />
        </More>
      )}
      <Previews ask={() => previewed("patch", request, sent)} valid={valid} onInvalid={form.frame.onInvalid} />
    </FormFrame>
  );
}

interface RemovedKeysProps {
  uris: readonly string[];
  removed: readonly string[];
  onChange: (removed: readonly string[]) => void;
  /** Those that are also set. */
  both: readonly string[];
  shown: boolean;
}

/** Tick keys that are known of the one secret, or name them. */
function RemovedKeys({ uris, removed, onChange, both, shown }: RemovedKeysProps) {
  const [text, setText] = useState("");
  const uri = uris.length === 1 ? (uris[0] ?? "") : "";
  const known = useKeysOf(uri);
  const named = (typed: string) => {
    setText(typed);
    const keys = typed.split(/[\s,]+/).filter((key) => key !== "");
    onChange([...removed.filter((key) => known.includes(key)), ...keys.filter((key) => !known.includes(key))]);
  };
  const toggle = (key: string) => onChange(removed.includes(key) ? removed.filter((one) => one !== key) : [...removed, key]);
  const wrong = removed.find((key) => keyProblem(key) !== "");
  const error = both.length > 0 ? `${both.join(", ")} cannot be set and removed.` : shown && wrong !== undefined ? keyProblem(wrong) : "";
  return (
    <fieldset class="form-group">
      <legend>Keys to remove</legend>
      {known.map((key) => (
        <Checkbox key={key} label={<code>{key}</code>} checked={removed.includes(key)} onChange={() => toggle(key)} />
      ))}
      <Field label={known.length > 0 ? "Other keys" : "Keys"} optional hint="Several with spaces between them." error={error}>
        {(attributes) => <input {...attributes} class="input mono" autocomplete="off" spellcheck={false} value={text} onInput={(event) => named(event.currentTarget.value)} />}
      </Field>
    </fieldset>
  );
}
