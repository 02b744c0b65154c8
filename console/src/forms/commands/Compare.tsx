/** Compare values with what stores hold. */

import type { Comparison } from "../../api/documents/results";
import { Badge } from "../../parts";
import type { FormProps } from "../../state/openForm";
import { KnownKeys } from "../fields/KnownKeys";
import { PlacesField } from "../fields/PlacesField";
import { sendOnce } from "../send/checked";
import { DoneHead } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";
import { shownProblems } from "../values/shownProblems";
import { useUnsent } from "../values/useUnsent";
import { useValues } from "../values/useValues";
import { ValueSet } from "../values/ValueSet";

export function CompareForm(props: FormProps) {
  const form = useForm<Comparison>("compare", props);
  const values = useValues(props.start.keys?.length ? props.start.keys : undefined);
  useUnsent(values, props.setUnsent);
  const { places, stores, attempted, gate } = form;
  const valid = places.problems.size === 0 && values.problems().size === 0;
  const submit = () => gate.pass(places.uris, () => void form.sending.send(places.uris, () => sendOnce<Comparison>("compare", { uris: places.uris }, values)));
  return (
    <FormFrame
      {...form.frame}
      intro="The store’s reactor says whether it holds the same. Nobody sees a value, and nothing is written. Name all keys of the secret: a key that you leave out counts as a difference."
      submit="Compare"
      valid={valid}
      onSubmit={submit}
      done={(result) => <Compared result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="compare" shown={attempted} several />
      <KnownKeys uri={places.uris.length === 1 ? (places.uris[0] ?? "") : ""} keys={values.keys()} add={values.addKeys} otherwise="A secret is compared with all its keys." />
      <ValueSet values={values} problems={shownProblems(values, attempted)} title="Keys and values" hint="What you want to know is there." />
    </FormFrame>
  );
}

function Compared({ result, close }: { result: Comparison; close: () => void }) {
  return (
    <DoneHead uri={result.uri} outcome={result.equal ? "EQUAL" : "DIFFERENT"} requestId={result.request_id} close={close}>
      {result.equal ? (
        <p>The store holds exactly these values.</p>
      ) : (
        <p>
          It differs in these keys:{" "}
          {Object.entries(result.differences).map(([key, how]) => (
            <Badge key={key} tone="bad" icon="alert">
              {key}: {HOW[how] ?? how}
            </Badge>
          ))}
        </p>
      )}
    </DoneHead>
  );
}

const HOW: Readonly<Record<string, string>> = { MISSING: "not there", EXTRA: "only there", CHANGED: "another value" };
