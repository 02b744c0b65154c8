/** Copy a secret to another place without anybody seeing it; and adopt secrets that others put into an engine: named, or ticked among the names that it holds. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/sending";
import type { Store } from "../../api/documents/shown";
import { partsOf, Radios, TextField } from "../../parts";
import { useMe } from "../../state/me";
import type { FormProps } from "../../state/openForm";
import { outside } from "../able";
import { ANY, type Expected, ExpectMore, expectOf, expectProblem, More, REPLACES, WRITE } from "../fields/Expectation";
import { PlacesField, StoreSelect, Warning } from "../fields/PlacesField";
import { SomeKeys } from "../fields/Recipes";
import { Upstream } from "../fields/Upstream";
import { storesOf } from "../pin/Pin";
import { FormFrame } from "../send/FormFrame";
import { DoneRow } from "../send/Results";
import { useForm } from "../send/useForm";
import { pathProblem, uriOf } from "../uris";
import { keyProblem } from "../values/rules";

export function CopyForm(props: FormProps) {
  const form = useForm<Done>("copy", props);
  const { places, stores, attempted, gate } = form;
  const from = places.uris[0] ?? "";
  const allowed = destinations(storesOf([from], stores), stores);
  const [chosen, setChosen] = useState("");
  const [path, setPath] = useState<string | null>(null);
  const [keys, setKeys] = useState<readonly string[]>([]);
  const [expected, setExpected] = useState<Expected>(ANY);
  const others = allowed.filter(({ name }) => name !== partsOf(from).store);
  const likely = others.length > 0 ? others : allowed;
  const store = chosen || (likely.length === 1 ? (likely[0]?.name ?? "") : "");
  // The same path is proposed until another is typed.
  const to = { store, path: path ?? partsOf(from).path };
  const destination = uriOf(to);
  const wrong = pathProblem(to.path) || (destination === from ? "This is the secret that is copied." : "");
  const beyond = outside(destination, useMe());
  const valid = places.problems.size === 0 && store !== "" && wrong === "" && keys.every((key) => keyProblem(key) === "") && expectProblem(expected) === "";
  const send = () => void form.sending.send([from], () => call<Results<Done>>("copy", { uri: from, destination, keys, expect: expectOf(expected) }));
  return (
    <FormFrame
      {...form.frame}
      intro="The reactor of the first store reads the secret and puts it into the second, or at another place of its own. Nobody else sees it. The receipts of both places show one hash."
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
        {from !== "" && allowed.length === 0 && <Warning text="The reactor of this store may copy nowhere. Its operator allows it in reactor.toml ([[copy]])." />}
        {beyond !== "" && <Warning text={beyond} />}
        <p class="field-hint">Only stores that the reactor’s operator has allowed stand here. Which paths may be copied, its settings say, too.</p>
      </fieldset>
      <More title="Keys" summary={keys.length === 0 ? "all of them" : keys.join(", ")}>
        <SomeKeys legend="Only these keys" uris={[from]} keys={keys} onChange={setKeys} shown={attempted} />
        <p class="field-hint">The place then has these keys alone, and no others.</p>
      </More>
      <ExpectMore value={expected} onChange={setExpected} words={WRITE} uri={destination} shown={attempted} warning={REPLACES} />
    </FormFrame>
  );
}

/** Return the stores to which a reactor of `sources` may copy. */
function destinations(sources: readonly Store[], all: readonly Store[]): readonly Store[] {
  const names = new Set(sources.flatMap((store) => store.reactors.flatMap((reactor) => reactor.copies_to)));
  return all.filter((store) => names.has(store.name));
}

export function ImportForm(props: FormProps) {
  const { start } = props;
  const [look, setLook] = useState(start.uri === undefined && start.uris === undefined);
  const form = useForm<Done>("import", props, look ? "prefix" : "secret");
  const [ticked, setTicked] = useState<readonly string[]>([]);
  const { places, stores, attempted, gate } = form;
  const uris = look ? ticked : places.uris;
  const why = form.frame.why || (look && ticked.length === 0 ? "List what is upstream, then tick what to import." : "");
  const submit = () => gate.pass(uris, () => void form.sending.send(uris, () => call<Results<Done>>("import", { uris })));
  return (
    <FormFrame
      {...form.frame}
      uris={uris}
      why={why}
      intro="The store’s reactor reads each secret and signs a receipt with its hash. It moves, writes and shows nothing. From then on a put may replace the secret, as if it had been put through m8."
      submit={uris.length > 1 ? `Import ${uris.length} secrets` : "Import the secret"}
      valid={look || places.problems.size === 0}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <Radios
        legend="What to import"
        value={look ? "look" : "named"}
        choices={[
          { value: "look", text: "Look what is there" },
          { value: "named", text: "Secrets that I name" },
        ]}
        onChange={(value) => setLook(value === "look")}
      />
      <PlacesField places={places} stores={stores} command="import" shown={attempted} several={!look} legend={look ? "Below" : "Secret"} {...(look ? { pathHint: "At least one part, for example app." } : {})} />
      {look && <Upstream key={places.uris[0]} uri={places.uris[0] ?? ""} stores={stores} gate={gate} ticked={ticked} onTick={setTicked} />}
    </FormFrame>
  );
}
