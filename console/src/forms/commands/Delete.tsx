/** Delete secrets, after the user has typed what they delete. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { Capability, Store } from "../../api/documents/stores";
import { Field, Icon, Radios } from "../../parts";
import type { FormProps } from "../../state/openForm";
import { announced } from "../able";
import { ANY, CHANGE, type Expected, ExpectMore, expectOf, expectProblem } from "../fields/Expectation";
import { PlacesField, Warning } from "../fields/PlacesField";
import { storesOf } from "../pin/useGate";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";

export function DeleteForm(props: FormProps) {
  const form = useForm<Done>("delete", props);
  const { places, stores, attempted, gate } = form;
  const { uris } = places;
  const [destroy, setDestroy] = useState<boolean | null>(null);
  const [typed, setTyped] = useState("");
  const [expected, setExpected] = useState<Expected>(ANY);
  const chosen = storesOf(uris, stores);
  const [softly, forGood] = [all(chosen, "soft_delete"), all(chosen, "deletable")];
  const destroyed = destroy ?? (!softly && forGood);
  const words = uris.length === 1 ? (uris[0] ?? "") : `delete ${uris.length} secrets`;
  const valid = places.problems.size === 0 && typed.trim() === words && expectProblem(expected) === "" && (destroyed ? forGood : softly);
  const send = () => call<Results<Done>>("delete", { uris, typed: typed.trim(), expect: expectOf(expected), destroy: destroyed });
  const submit = () => gate.pass(uris, () => void form.sending.send(uris, send));
  return (
    <FormFrame
      {...form.frame}
      intro={uris.length > 1 ? "The secrets are deleted in their engines." : "The secret is deleted in its engine."}
      submit={destroyed ? "Erase for good" : uris.length > 1 ? `Delete ${uris.length} secrets` : "Delete the secret"}
      danger
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={{ ...result, outcome: result.outcome || "DELETED" }} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="delete" shown={attempted} several />
      <How destroyed={destroyed} set={setDestroy} softly={softly} forGood={forGood} />
      <ExpectMore value={expected} onChange={setExpected} words={CHANGE} uri={uris.length === 1 ? words : ""} shown={attempted} warning="Also what others put there is deleted." />
      <Confirmation words={words} typed={typed} set={setTyped} wrong={attempted && typed.trim() !== words} />
    </FormFrame>
  );
}

/** Whether each store can do it, as far as that is known. */
function all(stores: readonly Store[], word: Capability): boolean {
  return stores.every((store) => announced(store, word) !== false);
}

function How({ destroyed, set, softly, forGood }: { destroyed: boolean; set: (destroy: boolean) => void; softly: boolean; forGood: boolean }) {
  return (
    <>
      <Radios
        legend="How"
        value={destroyed ? "destroy" : "delete"}
        choices={[
          { value: "delete", text: "So that it can be restored", disabled: !softly, hint: softly ? "With “Undelete” if the store can, else by the engine’s owner." : "Not every chosen store can do this." },
          { value: "destroy", text: "Erase for good", disabled: !forGood, hint: forGood ? "All versions are erased in the engine. Nobody can bring them back." : "Not every chosen store can do this." },
        ]}
        onChange={(how) => set(how === "destroy")}
      />
      {destroyed && <Warning text="What is erased does not come back. Whatever still needs it stops working." />}
    </>
  );
}

function Confirmation({ words, typed, set, wrong }: { words: string; typed: string; set: (typed: string) => void; wrong: boolean }) {
  return (
    <Field
      label="To confirm, type what stands below"
      hint={<code class="to-type">{words}</code>}
      error={wrong ? "Type it exactly." : ""}
    >
      {(attributes) => (
        <span class="confirmation">
          <input {...attributes} class="input mono" autocomplete="off" autocapitalize="off" spellcheck={false} value={typed} onInput={(event) => set(event.currentTarget.value)} />
          {typed.trim() === words && <Icon name="check" label="It is the same." />}
        </span>
      )}
    </Field>
  );
}
