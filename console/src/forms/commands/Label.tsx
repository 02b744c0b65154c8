/** Set and remove labels of a secret, without its values. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Results, Secret } from "../../api/types";
import { useAnswer } from "../../app/answer";
import type { FormProps } from "../../app/forms";
import { type LabelPair, labelProblem, newPair } from "../fields/notes";
import { LabelPairs } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { Frame } from "../send/Frame";
import { NotesNow } from "../send/NotesNow";
import { useForm } from "../send/useForm";

/** What every edit of notes says of itself. */
export const M8S_WORD = "No store is asked: m8 records who edited what, and shows it as its own word.";

export function LabelForm(props: FormProps) {
  const form = useForm<Secret>("label", props);
  const { places, stores, attempted } = form;
  const uri = places.uris[0] ?? "";
  const secret = useAnswer<{ secret: Secret }>(places.problems.size === 0 ? "secret" : null, { uri }).data?.secret;
  const [edited, setEdited] = useState<readonly LabelPair[] | null>(null);
  const had = secret?.uri === uri ? secret.labels : {};
  const pairs = edited ?? begun(had);
  const set = Object.fromEntries(pairs.filter(({ name, value }) => had[name] !== value).map(({ name, value }) => [name, value]));
  const remove = Object.keys(had).filter((name) => !pairs.some((pair) => pair.name === name));
  const nothing = Object.keys(set).length === 0 && remove.length === 0;
  const valid = places.problems.size === 0 && pairs.every((pair) => labelProblem(pair, pairs) === "");
  const send = () => call<Results<Secret>>("label", { uri, set, remove });
  return (
    <Frame
      {...form.frame}
      why={form.frame.why || (nothing ? "Nothing is changed yet." : "")}
      intro={`Labels are notes: everybody who sees the secret can read them. Never write a secret into one. ${M8S_WORD}`}
      submit="Save the labels"
      valid={valid}
      onSubmit={() => void form.sending.send([uri], send)}
      done={(result) => <NotesNow secret={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="label" shown={attempted} />
      <fieldset class="form-group">
        <legend>Labels</legend>
        <LabelPairs pairs={pairs} onChange={setEdited} shown={attempted} />
      </fieldset>
    </Frame>
  );
}

function begun(labels: Readonly<Record<string, string>>): readonly LabelPair[] {
  return Object.entries(labels).map(([name, value], at) => ({ ...newPair(name, value), id: -at - 1 }));
}
