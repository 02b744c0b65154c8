/** Options for stores of one type: how one secret is stored. None of them is secret. */

import type { Store } from "../../api/documents/shown";
import { Checkbox, TextField } from "../../parts";

/** By the names that `monoctl put secret` gives them, without the dashes in front. */
export type Options = Readonly<Record<string, string>>;

interface EngineOptionsProps {
  /** The stores that are put into. */
  stores: readonly Store[];
  options: Options;
  onChange: (options: Options) => void;
}

/** Return which options stores of these types take; "" if they are of several types, or of one without options. */
export function optionsFor(stores: readonly Store[]): "vault" | "aws" | "kubernetes" | "" {
  const kinds = new Set(stores.map(({ type }) => (type === "vault" || type === "vault-kv1" ? "vault" : type.startsWith("aws-") ? "aws" : type === "kubernetes" ? "kubernetes" : "")));
  const [kind] = kinds;
  return kinds.size === 1 && kind !== undefined ? kind : "";
}

/** The fields for the type of the chosen stores, or nothing. */
export function EngineOptions({ stores, options, onChange }: EngineOptionsProps) {
  const kind = optionsFor(stores);
  const set = (name: string, value: string) => onChange(value === "" ? without(options, name) : { ...options, [name]: value });
  const lines = (name: string, label: string) => (
    <TextField label={label} optional hint="NAME=VALUE, several with commas between them. Never secret." placeholder="owner=team-a" value={options[name] ?? ""} onInput={(value) => set(name, value)} error={labelLines(options[name] ?? "")} />
  );
  if (kind === "vault")
    return (
      <Checkbox
        label="Store values that are not text as base64"
        hint="Vault keeps text. Without this, a value that is not text is refused."
        checked={options["binary"] === "base64"}
        onChange={(checked) => set("binary", checked ? "base64" : "")}
      />
    );
  if (kind === "aws") return lines("aws-tag", "AWS tags");
  if (kind === "kubernetes")
    return (
      <>
        <TextField label="Type of a new Secret" optional mono placeholder="Opaque" value={options["kubernetes-type"] ?? ""} onInput={(value) => set("kubernetes-type", value)} />
        {lines("kubernetes-label", "Labels in Kubernetes")}
      </>
    );
  return null;
}

function without(options: Options, name: string): Options {
  return Object.fromEntries(Object.entries(options).filter(([one]) => one !== name));
}

// Says what is wrong with "NAME=VALUE, NAME=VALUE", "" for nothing.
function labelLines(text: string): string {
  const parts = text.split(",").map((part) => part.trim());
  return text === "" || parts.every((part) => /^[^=]+=/.test(part)) ? "" : "Write NAME=VALUE.";
}
