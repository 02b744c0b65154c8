/** Note when a secret expires, without its values. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { Secret } from "../../api/documents/secrets";
import { Radios } from "../../parts";
import { useAnswer } from "../../state/answer";
import type { FormProps } from "../../state/openForm";
import { dayProblem } from "../fields/notes";
import { DayField } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { eachOf } from "../send/eachOf";
import { FormFrame } from "../send/FormFrame";
import { M8S_WORD, NotesNow } from "../send/NotesNow";
import { useForm } from "../send/useForm";

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
