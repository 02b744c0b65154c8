/** What must be there now, under “More”. */

import type { ComponentChildren } from "preact";
import type { Expect } from "../../api/documents/sending";
import type { Version } from "../../api/documents/shown";
import { Radios, TextField } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import { useAnswer } from "../../state/answer";
import { Warning } from "./PlacesField";

/** The browser's own disclosure: keyboard and screen readers know it. `summary` says what holds while it is closed. */
export function More({ title, summary, children }: { title: string; summary: ComponentChildren; children: ComponentChildren }) {
  return (
    <details class="more">
      <summary>
        <span class="more-title">{title}</span> <span class="more-now">{summary}</span>
      </summary>
      <div class="more-body">{children}</div>
    </details>
  );
}

type ExpectKind = "any" | "absent" | "version" | "overwrite";

export interface Expected {
  kind: ExpectKind;
  version: string;
}

/** What most people want, and the safest. */
export const ANY: Expected = { kind: "any", version: "" };

/** Return what is sent. */
export function expectOf({ kind, version }: Expected): Expect {
  return kind === "version" ? version.trim() : kind;
}

/** Say what is wrong with it, "" for nothing. */
export function expectProblem({ kind, version }: Expected): string {
  if (kind !== "version") return "";
  const text = version.trim();
  if (text === "") return "Name the version.";
  if (["any", "absent", "overwrite"].includes(text)) return "This is not a version.";
  return /^[!-~]{1,256}$/.test(text) ? "" : "A version has 1 to 256 characters without spaces.";
}

/** The words for each choice. */
export type Words = Partial<Record<ExpectKind, readonly [ComponentChildren, ComponentChildren]>>;

/** For commands that write where nothing may be. */
export const WRITE: Words = {
  any: ["Nothing, or what was put through m8", "What others put there is never replaced."],
  absent: ["Nothing", "Only if nothing is there yet."],
  version: ["One version", "Only if exactly this version is there."],
  overwrite: ["Whatever is there", "Also what others put there by another way."],
};

/** What it may cost to write whatever is there. */
export const REPLACES = "What others put there is replaced. If the engine keeps no earlier versions, it is lost.";

/** For commands that change what is there. */
export const CHANGE: Words = {
  any: ["What was put through m8", "What others put there is never touched."],
  version: ["One version", "Only if exactly this version is there."],
  overwrite: ["Whatever is there", "Also what others put there by another way."],
};

interface ExpectationProps {
  value: Expected;
  onChange: (value: Expected) => void;
  words: Words;
  /** The one secret that it is about, to suggest its versions; "" for none or several. */
  uri: string;
  shown: boolean;
  legend?: string;
  /** What the choice "overwrite" may cost. */
  warning: string;
}

/** The same, closed until somebody wants to change it: it says what holds. */
export function ExpectMore(props: ExpectationProps) {
  const { value, words, legend = LEGEND } = props;
  const now = value.kind === "version" && value.version !== "" ? `version ${value.version}` : words[value.kind]?.[0];
  return (
    <More title={legend} summary={now}>
      <Expectation {...props} />
    </More>
  );
}

const LEGEND = "What must be there now";

/** Choose one; a version is typed, or taken from those that are known. */
function Expectation({ value, onChange, words, uri, shown, warning, legend = LEGEND }: ExpectationProps) {
  const kinds = Object.keys(words) as ExpectKind[];
  return (
    <div class="expectation">
      <Radios
        legend={legend}
        value={value.kind}
        choices={kinds.map((kind) => ({ value: kind, text: words[kind]?.[0], hint: words[kind]?.[1] }))}
        onChange={(kind) => onChange({ ...value, kind: kind as ExpectKind })}
      />
      {value.kind === "version" && <VersionField uri={uri} value={value} onChange={onChange} error={shown ? expectProblem(value) : ""} />}
      {value.kind === "overwrite" && <Warning text={warning} />}
    </div>
  );
}

function VersionField({ uri, value, onChange, error }: Pick<ExpectationProps, "uri" | "value" | "onChange"> & { error: string }) {
  const versions = useVersions(uri);
  const known = [...new Set(versions.map((one) => shortVersion(one.upstream_version)))].filter((text) => text !== "");
  return <TextField label="Version" mono value={value.version} choices={known} error={error} hint={known[0] === undefined ? "As the secret's page shows it." : `The newest that m8 knows is ${known[0]}.`} onInput={(version) => onChange({ ...value, version })} />;
}

/** Return the versions of a secret that m8 knows, the newest first. */
export function useVersions(uri: string): readonly Version[] {
  const known = !uri.endsWith("/") && uri.includes("://");
  return useAnswer<{ versions: Version[] }>(known ? "versions" : null, { uri }).data?.versions ?? [];
}
