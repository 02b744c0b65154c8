/** Adopt secrets that others put into an engine: named, or ticked among the names that the engine holds. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import { Radios } from "../../parts";
import type { FormProps } from "../../state/openForm";
import { PlacesField } from "../fields/PlacesField";
import { Upstream } from "../fields/Upstream";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";

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
