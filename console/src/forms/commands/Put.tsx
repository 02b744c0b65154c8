/** Put a secret into one store or several, or one secret for each key. */

import { useState } from "preact/hooks";
import type { Done } from "../../api/documents/results";
import type { PutRequest } from "../../api/documents/sending";
import { Checkbox } from "../../parts";
import type { FormProps } from "../../state/openForm";
import { EngineOptions, type Options, optionsFor } from "../fields/EngineOptions";
import { ANY, ExpectMore, type Expected, expectOf, expectProblem, REPLACES, WRITE } from "../fields/Expectation";
import { KnownKeys } from "../fields/KnownKeys";
import { More } from "../fields/More";
import { KEPT, notesOf, notesValid } from "../fields/notes";
import { NotesField } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { storesOf } from "../pin/useGate";
import { previewed, sendChecked } from "../send/checked";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { Previews } from "../send/Previews";
import { useForm } from "../send/useForm";
import { shownProblems } from "../values/shownProblems";
import { useUnsent } from "../values/useUnsent";
import { useValues } from "../values/useValues";
import { ValueSet } from "../values/ValueSet";

export function PutForm(props: FormProps) {
  const [each, setEach] = useState(false);
  const form = useForm<Done>("put", props, each ? "folder" : "secret");
  const values = useValues();
  const [expected, setExpected] = useState<Expected>(ANY);
  const [notes, setNotes] = useState(KEPT);
  const [options, setOptions] = useState<Options>({});
  useUnsent(values, props.setUnsent);
  const { places, stores, attempted, gate } = form;
  const bounds = each ? { most: Infinity } : {};
  const chosen = storesOf(places.uris, stores);
  const request: PutRequest = { uris: [...places.uris], each, expect: expectOf(expected), options: optionsFor(chosen) === "" ? {} : { ...options }, ...notesOf(notes) };
  const made = each ? values.keys().map((key) => `${places.uris[0] ?? ""}${key}`) : places.uris;
  const valid = places.problems.size === 0 && values.problems(bounds).size === 0 && expectProblem(expected) === "" && notesValid(notes) && !(each && places.list.length > 1);
  const submit = () => gate.pass(places.uris, () => void form.sending.send(made, () => sendChecked<Done>("put", request, values)));
  return (
    <FormFrame
      {...form.frame}
      uris={made}
      intro="monoctl seals what you enter for the store’s reactor alone. m8 carries it and cannot read it."
      submit={each ? "Put the secrets" : "Put the secret"}
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="put" shown={attempted} several={!each} legend={each ? "Below" : "Where"} {...(each ? { pathHint: "It ends in “/”. Each key becomes a secret below it." } : {})} />
      <KnownKeys uri={places.uris.length === 1 && !each ? (places.uris[0] ?? "") : ""} keys={values.keys()} add={values.addKeys} otherwise="A put replaces all of it: it will have the keys below, and no others. “Change keys” leaves the others." />
      <ValueSet values={values} problems={shownProblems(values, attempted, bounds)} title="Keys and values" hint="A secret has one key or several. You can paste KEY=VALUE lines here, or drop a .env file." />
      <Checkbox label="One secret for each key" hint="Each gets one key, “value”, and the name of its key as the last part of its path." checked={each} onChange={setEach} />
      <ExpectMore value={expected} onChange={setExpected} words={WRITE} uri={places.uris.length === 1 && !each ? (places.uris[0] ?? "") : ""} shown={attempted} warning={REPLACES} />
      <More title="Labels, expiry and options" summary={notes.labels === "keep" && notes.expiry === "keep" ? "kept as they are" : "changed"}>
        <NotesField draft={notes} onChange={setNotes} shown={attempted} />
        <EngineOptions stores={chosen} options={options} onChange={setOptions} />
      </More>
      <Previews ask={() => previewed("put", request, values)} valid={valid} onInvalid={form.frame.onInvalid} />
    </FormFrame>
  );
}
