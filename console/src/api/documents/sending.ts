/** What commands ask for: places, what must be there, notes, and where values come from. */

/** What must be upstream: "any" (what was put through m8, or nothing), "absent", "overwrite" (whatever is there), or a version. */
export type Expect = string;

/** Where a value of a framed body comes from: one value for `key`, or a file that `monoctl` parses itself. */
export interface Source {
  kind: "value" | "env" | "json";
  /** With "value": the key. */
  key?: string;
  /** With "env" and "json": the file's name, for messages. */
  name?: string;
  /** Remove one final line feed (of a "value"). */
  trim?: boolean;
  size: number;
}

export interface Notes {
  /** null keeps them as they are, {} clears them. */
  labels?: Record<string, string> | null;
  /** null keeps it, "" clears it. */
  expires_on?: string | null;
}

/** `names` (framed, {}): {keys: {key, size}[]}: what the sources hold, without a value. */
export interface Names {
  keys: { key: string; size: number }[];
}

/** `put` (framed). */
export interface PutRequest extends Notes {
  uris: string[];
  expect?: Expect;
  /** One secret for each key, below the one URI, which ends in "/". */
  each?: boolean;
  /** Show what would be sent; nothing is written. Then results are `Preview`s. */
  dry_run?: boolean;
  /** Engine options: {"binary": "base64"} … as `monoctl put secret` has them. */
  options?: Record<string, string>;
  timeout?: number;
}

/** `patch` (framed). */
export interface PatchRequest {
  uris: string[];
  remove?: string[];
  expect?: Expect;
  dry_run?: boolean;
  options?: Record<string, string>;
  timeout?: number;
}

/** `generate` {uri, recipes: {key: "password:32"}, expect?, labels?, expires_on?}. */
export interface GenerateRequest extends Notes {
  uri: string;
  recipes: Record<string, string>;
  expect?: Expect;
}

/** `recipes` {}: {kinds: RecipeKind[]}: what reactors can make. */
export interface RecipeKind {
  name: string;
  default: number;
  unit: string;
  /** Sizes that may be given; [] for any from `least` to `most`, or none at all if `most` is 0. */
  sizes: number[];
  least: number;
  most: number;
  is_pair: boolean;
}

/* Requests without a type of their own: `copy` {uri, destination, expect?}, `import` {uris}, `verify` {uris} or {prefix}, `delete` {uris, typed, expect?, destroy?},
 * `undelete` {uris, expect?}, `rollback` {uri, to, expect?}, `label` {uri, set, remove}, `expire` {uri, on}, `upstream` {uri}: {names, complete}.
 *
 * `typed` is what the user typed to confirm a deletion: the URI, or with several "delete N secrets". `monoctl` checks it.
 */
