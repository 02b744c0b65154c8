/** Set and remove labels of a secret, without its values. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { Secret } from "../../api/documents/secrets";
import { useAnswer } from "../../state/answer";
import type { FormProps } from "../../state/openForm";
import { type LabelPair, labelProblem, newPair } from "../fields/notes";
import { LabelPairs } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { eachOf } from "../send/eachOf";
import { FormFrame } from "../send/FormFrame";
import { M8S_WORD, NotesNow } from "../send/NotesNow";
import { useForm } from "../send/useForm";

export function LabelForm(props: FormProps) {
  const form = useForm<Done>("label", props);
  const { places, stores, attempted } = form;
  const { uris } = places;
  const one = uris.length === 1 && places.problems.size === 0 ? (uris[0] ?? "") : "";
  const secret = useAnswer<Secret>(one === "" ? null : "secret", { uri: one }).data;
  const [edited, setEdited] = useState<readonly LabelPair[] | null>(null);
  // Of several secrets, the labels that are named are set and all others stay.
  const had = one !== "" && secret?.uri === one ? secret.labels : {};
  const pairs = edited ?? begun(had);
  const set = Object.fromEntries(pairs.filter(({ name, value }) => had[name] !== value).map(({ name, value }) => [name, value]));
  const remove = Object.keys(had).filter((name) => !pairs.some((pair) => pair.name === name));
  const nothing = Object.keys(set).length === 0 && remove.length === 0;
  const valid = places.problems.size === 0 && pairs.every((pair) => labelProblem(pair, pairs) === "");
  const send = () => eachOf(uris, (uri) => call<Results<Done>>("label", { uri, set, remove }));
  return (
    <FormFrame
      {...form.frame}
      why={form.frame.why || (nothing ? "Nothing is changed yet." : "")}
      intro={`Labels are notes: everybody who sees the secret can read them. Never write a secret into one. ${M8S_WORD}`}
      submit="Save the labels"
      valid={valid}
      onSubmit={() => void form.sending.send(uris, send)}
      done={(result) => <NotesNow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="label" shown={attempted} several={props.start.uris !== undefined} />
      <fieldset class="form-group">
        <legend>{uris.length > 1 ? "Labels to set; the others stay" : "Labels"}</legend>
        <LabelPairs pairs={pairs} onChange={setEdited} shown={attempted} />
      </fieldset>
    </FormFrame>
  );
}

function begun(labels: Readonly<Record<string, string>>): readonly LabelPair[] {
  return Object.entries(labels).map(([name, value], at) => ({ ...newPair(name, value), id: -at - 1 }));
}
