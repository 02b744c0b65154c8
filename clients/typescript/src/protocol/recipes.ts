// What a reactor is to make by itself with GENERATE (docs/protocol.md, GENERATE).
import type { Recipe } from "../messages/secrets/v1/upload_pb.ts";
import { characters, sortedOnce, utf8 } from "./bytes.ts";
import type { MalformedError } from "./errors.ts";
import { isKey, MAX_KEYS } from "./payload.ts";
import { isPrintable } from "./texts.ts";

interface Kind {
  readonly allows: (size: number) => boolean;
  readonly isPair: boolean;
  /** Characters that the text of a recipe may have; 0 for a kind that takes none. */
  readonly longest: number;
}

const MAX_RSA = 4;
const MAX_TEXTS = 8_192;
const FILTERS: readonly (string | undefined)[] = [undefined, "url", "json"];
/** A literal, a doubled brace, or a reference: its key and, perhaps, its filter. */
const PIECE = /([^{}]+)|(?:\{(?=\{)|\}(?=\}))([{}])|\{([^{}|]+)(?:\|([^{}]*))?\}/y;
const between8And1024 = (size: number): boolean => size >= 8 && size <= 1_024;
const never = (): boolean => false;
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["password", { allows: between8And1024, isPair: false, longest: 0 }],
  ["hex", { allows: between8And1024, isPair: false, longest: 0 }],
  ["base64", { allows: between8And1024, isPair: false, longest: 0 }],
  ["rsa", { allows: (size: number) => [2_048, 3_072, 4_096].includes(size), isPair: true, longest: 0 }],
  ["ed25519", { allows: never, isPair: true, longest: 0 }],
  ["text", { allows: never, isPair: false, longest: 2_048 }],
  ["fixed", { allows: never, isPair: false, longest: 128 }],
]);

/** Checks recipes; what breaks a rule is thrown as `malformed` makes it. */
export function checkRecipes(recipes: readonly Recipe[], malformed: (rule: string) => MalformedError): void {
  if (recipes.length < 1 || recipes.length > MAX_KEYS) throw malformed(`must be 1 to ${MAX_KEYS}`);
  for (const { key, kind, size, text } of recipes) {
    const known = KINDS.get(kind);
    if (!isKey(key)) throw malformed("have a key outside the rule");
    if (known === undefined) throw malformed("have an unknown kind");
    if (size !== 0 && !known.allows(size)) throw malformed("have a size that their kind cannot have");
    if (known.longest === 0 ? text !== "" : !isText(text, known.longest)) throw malformed("have a text that their kind cannot have");
  }
  if (recipes.filter(({ kind }) => kind === "rsa").length > MAX_RSA) throw malformed(`have more than ${MAX_RSA} RSA keys`);
  if (recipes.reduce((sum, { text }) => sum + utf8(text).length, 0) > MAX_TEXTS) throw malformed(`have texts of more than ${MAX_TEXTS} bytes`);
  if (!sortedOnce(recipes.map(({ key }) => key))) throw malformed("must be sorted by key, each key once");
  const plain = new Set(recipes.filter(({ kind }) => kind !== "text").map(({ key }) => key));
  for (const { kind, text } of recipes) {
    if (kind === "text" && !isTemplate(text, plain)) throw malformed("have a template that is none over keys that are no templates");
  }
}

/** The keys under which private halves are to stand, in key order. */
export function pairKeys(recipes: readonly Recipe[]): string[] {
  return recipes.filter(({ kind }) => KINDS.get(kind)?.isPair === true).map(({ key }) => key);
}

function isText(text: string, longest: number): boolean {
  return text !== "" && characters(text) <= longest && text.split("\n").every(isPrintable);
}

/** Whether a text is literals, doubled braces and at least one reference to a key of `plain`. */
function isTemplate(text: string, plain: ReadonlySet<string>): boolean {
  let refers = false;
  for (PIECE.lastIndex = 0; PIECE.lastIndex < text.length; ) {
    const found = PIECE.exec(text);
    if (found === null) return false;
    const [, , , key, filter] = found;
    if (key === undefined) continue;
    if (!plain.has(key) || !FILTERS.includes(filter)) return false;
    refers = true;
  }
  return refers;
}
