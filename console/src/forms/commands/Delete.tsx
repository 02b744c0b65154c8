/** Delete secrets, after the user has typed what they delete; bring them back, or an earlier version. */

import { useId, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/sending";
import type { Capability, Store, Version } from "../../api/documents/shown";
import { Field, Hash, Icon, Outcome, Person, Proven, Radios, TextField, Time } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import type { FormProps } from "../../state/openForm";
import { announced } from "../able";
import { ANY, CHANGE, type Expected, ExpectMore, expectOf, expectProblem, REPLACES, useVersions, type Words, WRITE } from "../fields/Expectation";
import { PlacesField, Warning } from "../fields/PlacesField";
import { storesOf } from "../pin/Pin";
import { FormFrame } from "../send/FormFrame";
import { DoneRow } from "../send/Results";
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

export function RollbackForm(props: FormProps) {
  const form = useForm<Done>("rollback", props);
  const [to, setTo] = useState(props.start.version ?? "");
  const [expected, setExpected] = useState<Expected>(ANY);
  const { places, stores, attempted, gate } = form;
  const uri = places.uris[0] ?? "";
  const versions = useVersions(uri);
  const wrong = /^[!-~]{1,256}$/.test(to.trim()) ? "" : "Choose a version.";
  const valid = places.problems.size === 0 && wrong === "" && expectProblem(expected) === "";
  const send = () => call<Results<Done>>("rollback", { uri, to: to.trim(), expect: expectOf(expected) });
  const submit = () => gate.pass([uri], () => void form.sending.send([uri], send));
  return (
    <FormFrame
      {...form.frame}
      intro="The store’s reactor reads an earlier version in the engine and writes its content as a new version. Nobody else sees a value. Labels and the day of expiry stay."
      submit="Roll back"
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="rollback" shown={attempted} />
      <Versions versions={earlier(versions)} to={to} set={setTo} />
      <TextField label="Version" mono value={to} error={attempted ? wrong : ""} hint="Engines keep only some versions. What was deleted or erased is not among them." onInput={setTo} />
      <ExpectMore value={expected} onChange={setExpected} words={WRITE} uri={uri} shown={attempted} warning={REPLACES} />
    </FormFrame>
  );
}

/** Return each version that held content once, without the one that is there now. */
function earlier(versions: readonly Version[]): readonly Version[] {
  const now = versions.find(({ upstream_version }) => upstream_version !== "")?.upstream_version;
  const seen = new Set([now, ""]);
  return versions.filter(({ upstream_version, outcome }) => {
    if (seen.has(upstream_version) || outcome === "EDITED" || outcome === "DELETED") return false;
    seen.add(upstream_version);
    return true;
  });
}

function Versions({ versions, to, set }: { versions: readonly Version[]; to: string; set: (to: string) => void }) {
  const name = useId();
  if (versions.length === 0) return null;
  return (
    <fieldset class="form-group">
      <legend>Versions that m8 knows</legend>
      <ul class="version-rows">
        {versions.map((version) => {
          const text = version.upstream_version;
          return (
            <li key={version.request_id}>
              <label class="version-row">
                <input type="radio" name={name} checked={to === text || to === shortVersion(text)} onChange={() => set(text)} />
                <strong>{shortVersion(text)}</strong>
                <Outcome of={version.outcome} />
                <span>
                  by <Person of={version.subject || "somebody"} />, <Time at={version.changed_at} quiet />
                </span>
                <Hash hash={version.hash} />
              </label>
              <Proven of={version} brief />
            </li>
          );
        })}
      </ul>
    </fieldset>
  );
}
