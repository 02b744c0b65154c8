/** Copy a secret into another store, without anybody seeing it. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { Store } from "../../api/documents/stores";
import { partsOf, TextField } from "../../parts";
import { useMe } from "../../state/me";
import type { FormProps } from "../../state/openForm";
import { outside } from "../able";
import { ANY, type Expected, ExpectMore, expectOf, expectProblem, REPLACES, WRITE } from "../fields/Expectation";
import { PlacesField, StoreSelect, Warning } from "../fields/PlacesField";
import { storesOf } from "../pin/useGate";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";
import { pathProblem, uriOf } from "../uris";

export function CopyForm(props: FormProps) {
  const form = useForm<Done>("copy", props);
  const { places, stores, attempted, gate } = form;
  const from = places.uris[0] ?? "";
  const allowed = destinations(storesOf([from], stores), stores);
  const [chosen, setChosen] = useState("");
  const [path, setPath] = useState<string | null>(null);
  const [expected, setExpected] = useState<Expected>(ANY);
  const store = chosen || (allowed.length === 1 ? (allowed[0]?.name ?? "") : "");
  // The same path is proposed until another is typed.
  const to = { store, path: path ?? partsOf(from).path };
  const destination = uriOf(to);
  const wrong = pathProblem(to.path) || (destination === from ? "A secret is copied into another store." : "");
  const beyond = outside(destination, useMe());
  const valid = places.problems.size === 0 && store !== "" && wrong === "" && expectProblem(expected) === "";
  const send = () => void form.sending.send([from], () => call<Results<Done>>("copy", { uri: from, destination, expect: expectOf(expected) }));
  return (
    <FormFrame
      {...form.frame}
      intro="The reactor of the first store reads the secret and puts it into the second. Nobody else sees it. The receipts of both stores show one hash."
      submit="Copy the secret"
      valid={valid}
      onSubmit={() => gate.pass([from, destination], send)}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="copy" shown={attempted} legend="From" />
      <fieldset class="form-group places">
        <legend>To</legend>
        <div class="place-row">
          <StoreSelect name={store} stores={allowed} command="put" choose={setChosen} wrong={attempted && store === ""} />
          <TextField label="Path" mono value={to.path} error={attempted ? wrong : ""} onInput={setPath} />
        </div>
        {from !== "" && allowed.length === 0 && <Warning text="The reactor of this store may copy to no other store. Its operator allows it in reactor.toml ([[copy]])." />}
        {beyond !== "" && <Warning text={beyond} />}
        <p class="field-hint">Only stores that the reactor’s operator has allowed stand here. Which paths may be copied, its settings say, too.</p>
      </fieldset>
      <ExpectMore value={expected} onChange={setExpected} words={WRITE} uri={destination} shown={attempted} warning={REPLACES} />
    </FormFrame>
  );
}

/** Return the stores to which a reactor of `sources` may copy. */
function destinations(sources: readonly Store[], all: readonly Store[]): readonly Store[] {
  const names = new Set(sources.flatMap((store) => store.reactors.flatMap((reactor) => reactor.copies_to)));
  return all.filter((store) => names.has(store.name));
}
