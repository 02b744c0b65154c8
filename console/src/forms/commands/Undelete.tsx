/** Bring back deleted secrets. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { FormProps } from "../../state/openForm";
import { ANY, type Expected, ExpectMore, expectOf, expectProblem, type Words } from "../fields/Expectation";
import { PlacesField } from "../fields/PlacesField";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";

const DELETED: Words = {
  any: ["What was put through m8", "What others put there and deleted stays deleted."],
  version: ["One version", "Only if exactly this version was deleted last."],
  overwrite: ["Whatever was deleted", "Also what others had put there."],
};

export function UndeleteForm(props: FormProps) {
  const form = useForm<Done>("undelete", props);
  const [expected, setExpected] = useState<Expected>(ANY);
  const { places, stores, attempted, gate } = form;
  const { uris } = places;
  const valid = places.problems.size === 0 && expectProblem(expected) === "";
  const send = () => call<Results<Done>>("undelete", { uris, expect: expectOf(expected) });
  const submit = () => gate.pass(uris, () => void form.sending.send(uris, send));
  return (
    <FormFrame
      {...form.frame}
      intro="The engine makes the version that was deleted last the current one again. What was erased for good does not come back, and nothing may have been put there since."
      submit="Bring it back"
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="undelete" shown={attempted} several />
      <ExpectMore value={expected} onChange={setExpected} words={DELETED} uri={uris.length === 1 ? (uris[0] ?? "") : ""} shown={attempted} warning="What others put there and deleted comes back, too." legend="What must have been deleted" />
    </FormFrame>
  );
}
