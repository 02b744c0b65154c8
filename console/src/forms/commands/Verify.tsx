/** See whether stores still hold what the newest receipts say. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Results } from "../../api/documents/results";
import type { SecretsPage } from "../../api/documents/secrets";
import { Radios, STATUSES } from "../../parts";
import { shortVersion } from "../../parts/words/version";
import { useAnswer } from "../../state/answer";
import type { FormProps } from "../../state/openForm";
import { PlacesField } from "../fields/PlacesField";
import { DoneHead } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";

/** What a verification says, proven by a receipt. */
interface Verification {
  uri: string;
  outcome: string;
  upstream_version: string;
  /** Whether the newest receipt that m8 shows was compared with; null without the right to see receipts. */
  newest: boolean | null;
  request_id: string;
}

export function VerifyForm(props: FormProps) {
  const { start } = props;
  const [below, setBelow] = useState(start.uri === undefined && start.uris === undefined);
  const form = useForm<Verification>("verify", props, below ? "prefix" : "secret");
  const { places, stores, attempted, gate } = form;
  const prefix = (places.uris[0] ?? "").replace(/([^/])\/$/, "$1");
  const found = useAnswer<SecretsPage>(below && places.problems.size === 0 ? "secrets" : null, { prefix, page_size: 200, sort: "uri" }).data;
  const listed = found?.secrets.map(({ uri }) => uri) ?? [];
  const valid = places.problems.size === 0;
  const send = () => call<Results<Verification>>("verify", below ? { prefix } : { uris: places.uris });
  const submit = () => gate.pass(places.uris, () => void form.sending.send(below ? listed : places.uris, send));
  const uris = form.sending.state === "ended" && below ? [] : below ? listed : places.uris;
  return (
    <FormFrame
      {...form.frame}
      uris={uris}
      intro="Each store’s reactor looks into its engine and compares. Nobody sees a value, and nothing is written."
      submit="Verify"
      valid={valid}
      onSubmit={submit}
      done={(result) => <Verified result={result} close={props.close} />}
    >
      {start.uris === undefined && (
        <Radios
          legend="What to verify"
          value={below ? "below" : "these"}
          choices={[
            { value: "these", text: "Secrets that I name" },
            { value: "below", text: "All secrets below a path", hint: "m8 says which secrets there are. Those that it showed before and shows no longer are named." },
          ]}
          onChange={(value) => setBelow(value === "below")}
        />
      )}
      <PlacesField places={places} stores={stores} command="verify" shown={attempted} several={!below} legend={below ? "Below" : "Secret"} {...(below ? { pathHint: "Empty for the whole store." } : {})} />
      {below && found !== undefined && <HowMany total={found.total} />}
    </FormFrame>
  );
}

function HowMany({ total }: { total: number }) {
  return (
    <p class="field-hint" role="status">
      {total === 1 ? "1 secret is there now." : `${total.toLocaleString("en")} secrets are there now.`}
    </p>
  );
}

function Verified({ result, close }: { result: Verification; close: () => void }) {
  return (
    <DoneHead uri={result.uri} outcome={result.outcome} requestId={result.request_id} close={close}>
      <p>
        {SAID[result.outcome] ?? STATUSES[result.outcome]?.means}
        {result.upstream_version !== "" && (
          <>
            {" "}
            Version <code>{shortVersion(result.upstream_version)}</code> is there.
          </>
        )}
      </p>
      {result.newest === false && <p class="form-warning">The store was asked about an older receipt than the newest that m8 shows. Verify again.</p>}
    </DoneHead>
  );
}

const SAID: Readonly<Record<string, string>> = {
  IN_SYNC: "The engine holds what the newest receipt says.",
  DRIFTED: "The engine holds something that no receipt names: somebody changed it there. Import it to adopt it, or put the secret again.",
  GONE: "The engine holds nothing at this place: somebody deleted it there. Put the secret again if it is needed.",
};
