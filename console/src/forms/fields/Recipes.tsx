/** Keys: what is to be made for each, and those that a secret is known to have.
 *
 * What a store's reactor is to make by itself, a value a key. Nobody sees it; what to make is no secret.
 * The keys that a secret has now: who puts or compares it wants them all.
 */

import { useState } from "preact/hooks";
import type { RecipeKind } from "../../api/documents/sending";
import type { Secret } from "../../api/documents/shown";
import { Button, Checkbox, partsOf, Select, TextField } from "../../parts";
import { useAnswer } from "../../state/answer";
import { pathProblem } from "../uris";
import { keyProblem, twice } from "../values/rules";

export interface Recipe {
  id: number;
  key: string;
  kind: string;
  /** As typed; "" for the kind's default. Of a kind that takes a text, that text. */
  size: string;
}

const TITLES: Readonly<Record<string, string>> = {
  password: "Password of letters and digits",
  hex: "Random bytes as hex",
  base64: "Random bytes as base64",
  rsa: "RSA key pair",
  ed25519: "Ed25519 key pair",
  text: "Text with other values in it",
  fixed: "Fixed text that everybody may see",
};
const KEYS: Readonly<Record<string, string>> = { password: "password", hex: "token", base64: "token", rsa: "private-key", ed25519: "private-key" };

let lastId = 0;

/** A row to begin with: a password. */
export function newRecipe(key = "password", kind = "password"): Recipe {
  lastId += 1;
  return { id: lastId, key, kind, size: "" };
}

/** Return the kinds that reactors can make. */
export function useKinds(): readonly RecipeKind[] {
  return useAnswer<{ kinds: RecipeKind[] }>("recipes").data?.kinds ?? [];
}

/** Return what is sent: KIND, KIND:SIZE or KIND:TEXT for each key. */
export function recipesOf(recipes: readonly Recipe[]): Record<string, string> {
  return Object.fromEntries(recipes.map(({ key, kind, size }) => [key, size === "" ? kind : `${kind}:${size}`]));
}

/** Say what is wrong with the size of one, or with its text, "" for nothing. Whether a template is one, `monoctl` says. */
function sizeProblem({ size }: Recipe, kind: RecipeKind | undefined): string {
  if (kind !== undefined && kind.longest > 0) return size !== "" && [...size].length <= kind.longest ? "" : `1 to ${kind.longest} characters.`;
  if (size === "" || kind === undefined) return "";
  const number = /^[0-9]{1,5}$/.test(size) ? Number(size) : NaN;
  const allowed = kind.sizes.length > 0 ? kind.sizes.includes(number) : number >= kind.least && number <= kind.most;
  return allowed ? "" : `From ${kind.least} to ${kind.most} ${kind.unit}.`;
}

/** Say what is wrong with the key of one, "" for nothing. */
function recipeProblem({ key }: Recipe, all: readonly Recipe[]): string {
  return keyProblem(key) || (twice(all.map((one) => one.key)).has(key) ? "This key is there twice." : "");
}

/** Whether nothing is wrong with any of them. */
export function recipesFit(recipes: readonly Recipe[], kinds: readonly RecipeKind[]): boolean {
  return recipes.every((recipe) => recipeProblem(recipe, recipes) === "" && sizeProblem(recipe, kinds.find(({ name }) => name === recipe.kind)) === "");
}

interface RecipesProps {
  recipes: readonly Recipe[];
  onChange: (recipes: readonly Recipe[]) => void;
  shown: boolean;
}

/** One row for each key: its name, what is made, and how large. */
export function RecipesField({ recipes, onChange, shown }: RecipesProps) {
  const kinds = useKinds();
  return (
    <fieldset class="form-group">
      <legend>What to make</legend>
      {recipes.map((recipe) => (
        <RecipeRow
          key={recipe.id}
          recipe={recipe}
          kinds={kinds}
          problem={recipeProblem(recipe, recipes)}
          shown={shown}
          set={(change) => onChange(recipes.map((one) => (one.id === recipe.id ? { ...one, ...change } : one)))}
          remove={recipes.length > 1 ? () => onChange(recipes.filter((one) => one.id !== recipe.id)) : undefined}
        />
      ))}
      <Button small icon="plus" onClick={() => onChange([...recipes, newRecipe("")])}>
        Another key
      </Button>
    </fieldset>
  );
}

interface RecipeRowProps {
  recipe: Recipe;
  kinds: readonly RecipeKind[];
  problem: string;
  shown: boolean;
  set: (change: Partial<Recipe>) => void;
  remove: (() => void) | undefined;
}

function RecipeRow({ recipe, kinds, problem, shown, set, remove }: RecipeRowProps) {
  const kind = kinds.find(({ name }) => name === recipe.kind);
  const told = shown || (recipe.key !== "" && problem !== "") ? problem : "";
  const choose = (name: string) => set({ kind: name, size: "", ...(Object.values(KEYS).includes(recipe.key) || recipe.key === "" ? { key: KEYS[name] ?? recipe.key } : {}) });
  return (
    <div class="recipe" role="group" aria-label={recipe.key || "a new key"}>
      <TextField label="Key" mono value={recipe.key} error={told} onInput={(key) => set({ key })} />
      <Select label="Made as" value={recipe.kind} choices={kinds.map(({ name }) => ({ value: name, text: TITLES[name] ?? name }))} onChange={choose} />
      {kind !== undefined && <SizeField recipe={recipe} kind={kind} shown={shown} set={set} />}
      {remove !== undefined && <Button kind="quiet" icon="x" label={`Remove ${recipe.key || "this key"}`} onClick={remove} />}
    </div>
  );
}

const PUBLIC = "Not secret: everybody who may see the request sees it.";
const HINTS: Readonly<Record<string, string>> = { text: `Other values stand at {KEY}, {KEY|url} or {KEY|json}; {{ and }} are braces. ${PUBLIC}`, fixed: PUBLIC };

function SizeField({ recipe, kind, shown, set }: { recipe: Recipe; kind: RecipeKind; shown: boolean; set: (change: Partial<Recipe>) => void }) {
  if (kind.longest > 0) return <TextField label="Text" mono value={recipe.size} hint={HINTS[kind.name] ?? PUBLIC} error={shown || recipe.size !== "" ? sizeProblem(recipe, kind) : ""} onInput={(size) => set({ size })} />;
  if (kind.sizes.length > 0)
    return <Select label={upper(kind.unit)} value={recipe.size || String(kind.default)} choices={kind.sizes.map((size) => ({ value: String(size), text: size.toLocaleString("en") }))} onChange={(size) => set({ size })} />;
  if (kind.most === 0) return <p class="recipe-fixed">{kind.unit}</p>;
  return <TextField label={upper(kind.unit)} value={recipe.size} placeholder={String(kind.default)} error={sizeProblem(recipe, kind)} onInput={(size) => set({ size })} />;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return the rows of what was sent once. */
export function recipesFrom(made: Readonly<Record<string, string>>): Recipe[] {
  return Object.entries(made).map(([key, text]) => {
    const [kind = "", ...rest] = text.split(":");
    return { ...newRecipe(key, kind), size: rest.join(":") };
  });
}

/** Return the keys of a secret, as far as the user may see them; none for a URI that is not valid, or that m8 does not know. */
function useKeysOf(uri: string): readonly string[] {
  const { store, path } = partsOf(uri);
  const { data } = useAnswer<Secret>(store !== "" && pathProblem(path) === "" ? "secret" : null, { uri });
  return data?.uri === uri && !data.deleted ? Object.keys(data.values) : [];
}

interface KnownKeysProps {
  uri: string;
  /** The keys that are named already. */
  keys: readonly string[];
  /** What becomes of keys that are not named, as a sentence. */
  otherwise: string;
  /** Adds rows for them. */
  add?: (keys: readonly string[]) => void;
}

/** Say which keys a secret has that are not named yet, and what becomes of them; offer to add them. */
export function KnownKeys({ uri, keys, otherwise, add }: KnownKeysProps) {
  const named = new Set(keys);
  const missing = useKeysOf(uri).filter((key) => !named.has(key));
  if (missing.length === 0) return null;
  return (
    <p class="known-keys" role="status">
      <span>
        {named.size === 0 ? "The secret has now:" : "The secret has these keys, too:"} <code>{missing.join(", ")}</code>. {otherwise}
      </span>
      {add !== undefined && (
        <Button small onClick={() => add(missing)}>
          Add these keys
        </Button>
      )}
    </p>
  );
}

interface SomeKeysProps {
  legend: string;
  uris: readonly string[];
  keys: readonly string[];
  onChange: (keys: readonly string[]) => void;
  /** What is wrong with them all, as a sentence; "" for nothing. */
  problem?: string;
  shown: boolean;
}

/** Tick keys that are known of the one secret, or name them. */
export function SomeKeys({ legend, uris, keys, onChange, problem = "", shown }: SomeKeysProps) {
  const [text, setText] = useState("");
  const known = useKeysOf(uris.length === 1 ? (uris[0] ?? "") : "");
  const named = (typed: string) => {
    setText(typed);
    const others = typed.split(/[\s,]+/).filter((key) => key !== "");
    onChange([...keys.filter((key) => known.includes(key)), ...others.filter((key) => !known.includes(key))]);
  };
  const toggle = (key: string) => onChange(keys.includes(key) ? keys.filter((one) => one !== key) : [...keys, key]);
  const wrong = keys.find((key) => keyProblem(key) !== "");
  return (
    <fieldset class="form-group">
      <legend>{legend}</legend>
      {known.map((key) => (
        <Checkbox key={key} label={<code>{key}</code>} checked={keys.includes(key)} onChange={() => toggle(key)} />
      ))}
      <TextField label={known.length > 0 ? "Other keys" : "Keys"} mono optional hint="Several with spaces between them." value={text} error={problem || (shown && wrong !== undefined ? keyProblem(wrong) : "")} onInput={named} />
    </fieldset>
  );
}
