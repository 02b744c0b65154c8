/** Write the content of an earlier version again. */

import { useId, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { Version } from "../../api/documents/secrets";
import { Hash, Outcome, Proven, TextField, Time } from "../../parts";
import { shortVersion } from "../../parts/words/version";
import type { FormProps } from "../../state/openForm";
import { ANY, type Expected, ExpectMore, expectOf, expectProblem, useVersions, REPLACES, WRITE } from "../fields/Expectation";
import { PlacesField } from "../fields/PlacesField";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";

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
                  by {version.subject || "somebody"}, <Time at={version.changed_at} quiet />
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
