/** Commands that compare: values with what stores hold, and what stores hold with the newest receipts. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Comparison, Results } from "../../api/documents/sending";
import type { SecretsPage } from "../../api/documents/shown";
import { Badge, Radios, STATUSES } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import { useAnswer } from "../../state/answer";
import type { FormProps } from "../../state/openForm";
import { PlacesField } from "../fields/PlacesField";
import { KnownKeys } from "../fields/Recipes";
import { FormFrame } from "../send/FormFrame";
import { DoneHead } from "../send/Results";
import { useForm } from "../send/useForm";
import { sendOnce } from "../send/useSending";
import { shownProblems } from "../values/rules";
import { useUnsent, useValues } from "../values/useValues";
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
