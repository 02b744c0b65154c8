// What a reactor is to make by itself with GENERATE (docs/protocol.md, GENERATE).
import type { Recipe } from "../messages/secrets/v1/upload_pb.ts";
import { sortedOnce } from "./bytes.ts";
import type { MalformedError } from "./errors.ts";
import { isKey, MAX_KEYS } from "./payload.ts";

const MAX_RSA = 4;
const between8And1024 = (size: number): boolean => size >= 8 && size <= 1_024;
const KINDS: ReadonlyMap<string, { readonly allows: (size: number) => boolean; readonly isPair: boolean }> = new Map([
  ["password", { allows: between8And1024, isPair: false }],
  ["hex", { allows: between8And1024, isPair: false }],
  ["base64", { allows: between8And1024, isPair: false }],
  ["rsa", { allows: (size: number) => [2_048, 3_072, 4_096].includes(size), isPair: true }],
  ["ed25519", { allows: () => false, isPair: true }],
]);

/** Checks recipes; what breaks a rule is thrown as `malformed` makes it. */
export function checkRecipes(recipes: readonly Recipe[], malformed: (rule: string) => MalformedError): void {
  if (recipes.length < 1 || recipes.length > MAX_KEYS) throw malformed(`must be 1 to ${MAX_KEYS}`);
  for (const { key, kind, size } of recipes) {
    const known = KINDS.get(kind);
    if (!isKey(key)) throw malformed("have a key outside the rule");
    if (known === undefined) throw malformed("have an unknown kind");
    if (size !== 0 && !known.allows(size)) throw malformed("have a size that their kind cannot have");
  }
  if (recipes.filter(({ kind }) => kind === "rsa").length > MAX_RSA) throw malformed(`have more than ${MAX_RSA} RSA keys`);
  if (!sortedOnce(recipes.map(({ key }) => key))) throw malformed("must be sorted by key, each key once");
}

/** The keys under which private halves are to stand, in key order. */
export function pairKeys(recipes: readonly Recipe[]): string[] {
  return recipes.filter(({ kind }) => KINDS.get(kind)?.isPair === true).map(({ key }) => key);
}
