/** Edit labels and the day of expiry of a secret, without its values. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/sending";
import type { Secret } from "../../api/documents/shown";
import { Radios } from "../../parts";
import { useAnswer } from "../../state/answer";
import type { FormProps } from "../../state/openForm";
import { DayField, dayProblem, type LabelPair, LabelPairs, labelProblem, newPair } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { FormFrame, M8S_WORD, NotesNow } from "../send/FormFrame";
import { useForm } from "../send/useForm";
import { eachOf } from "../send/useSending";

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

export function ExpireForm(props: FormProps) {
  const form = useForm<Done>("expire", props);
  const { places, stores, attempted } = form;
  const { uris } = places;
  const one = uris.length === 1 && places.problems.size === 0 ? (uris[0] ?? "") : "";
  const secret = useAnswer<Secret>(one === "" ? null : "secret", { uri: one }).data;
  const now = one !== "" && secret?.uri === one ? secret.expires_on : "";
  const [never, setNever] = useState(false);
  const [typed, setTyped] = useState<string | null>(null);
  const day = typed ?? now;
  const wrong = never ? "" : dayProblem(day);
  const send = () => eachOf(uris, (uri) => call<Results<Done>>("expire", { uri, on: never ? "" : day }));
  return (
    <FormFrame
      {...form.frame}
      intro={`The day of expiry is a note. ${M8S_WORD}`}
      submit="Save the day"
      valid={places.problems.size === 0 && wrong === ""}
      onSubmit={() => void form.sending.send(uris, send)}
      done={(result) => <NotesNow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="expire" shown={attempted} several={props.start.uris !== undefined} />
      <Radios
        legend="Expires"
        value={never ? "never" : "day"}
        choices={[
          { value: "day", text: "On a day" },
          { value: "never", text: "Never", hint: now === "" ? undefined : `Removes the day that it has now, ${now}.` },
        ]}
        onChange={(value) => setNever(value === "never")}
      />
      {!never && <DayField day={day} error={attempted ? wrong : ""} onChange={setTyped} />}
    </FormFrame>
  );
}
