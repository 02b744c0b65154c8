/** What commands ask for and answer: places, what must be there, notes and values; what was done, or why not. */

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

/** `generate` {uri, recipes: {key: "password:32" or "fixed:TEXT"}, expect?, labels?, expires_on?}. */
export interface GenerateRequest extends Notes {
  uri: string;
  recipes: Record<string, string>;
  expect?: Expect;
}

/** `rounds` {uri}: what the last rounds of a secret were asked for, as receipts prove; "" and none for what nothing proves. */
export interface Rounds {
  accounts: string[];
  /** As `generate` takes them, without the username. */
  recipes: Record<string, string>;
  /** After what time the next one was to be due. */
  every: string;
}

/** `plan-rotation` and `rotate`. */
export interface RotateRequest {
  uri: string;
  /** One, or two that take turns. */
  accounts: string[];
  recipes: Record<string, string>;
  /** "12h"; "" for a day. */
  grace: string;
  /** "30d"; "" for never by itself. */
  every: string;
  /** Begin anew from what is live, whatever others did. */
  adopt: boolean;
  /** Begin before the grace is over. */
  force: boolean;
}

/** "WAIT": the end of a write is not known, and nothing goes on until no late write can follow. */
export type RotationStep = "LOOK" | "MAKE_VALUES" | "SET_ACCOUNT" | "PROVE" | "SWITCH" | "WAIT";

/** What a rotation would do first. */
export interface Planned {
  step: "MAKE_VALUES" | "SET_ACCOUNT" | "SWITCH" | "STOP";
  account: string;
  /** Why it stops, and what to do; "" where it goes on. */
  why: string;
  fix: string;
  /** Whether time alone mends it. */
  waits: boolean;
  /** When the round of what is there began; "" where nothing proves it. */
  began_at: string;
  is_over: boolean;
}

/** What `rotate` results in. All of it is proven by receipts. */
export interface Rotated {
  uri: string;
  outcome: string;
  /** The one that is live now. */
  account: string;
  upstream_version: string;
  hash: string;
  began_at: string;
  /** Whether another run was faster. */
  joined: boolean;
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
  /** Characters that its text may have; 0 for a kind that takes none. */
  longest: number;
}

/* Requests without a type of their own: `copy` {uri, destination, keys?, expect?}, `import` {uris}, `verify` {uris} or {prefix}, `delete` {uris, typed, expect?, destroy?},
 * `undelete` {uris, expect?}, `rollback` {uri, to, expect?}, `label` {uri, set, remove}, `expire` {uri, on}, `upstream` {uri}: {names, complete}.
 *
 * `typed` is what the user typed to confirm a deletion: the URI, or with several "delete N secrets". `monoctl` checks it.
 */

/** A refusal, as `monoctl -o json` prints it. `code` and `exit_code` are those of docs/reference/errors.md. */
export interface Failure {
  code: string;
  exit_code: number;
  message: string;
  fix: string;
  /** Whether message and fix are m8's own words, which nobody checked. */
  by_m8: boolean;
  /** Why a request failed, e.g. "UPSTREAM_CHANGED"; "" if that is not the case. */
  reason: string;
  /** Seconds after which another try makes sense; null if that is not known. */
  retry_after_s: number | null;
  /** The secret that it is about, in the results of a call about several. */
  uri: string;
  /** With OUTCOME_UNKNOWN: the request whose end is not known, 32 hex digits. */
  request_id?: string;
  /** With LOG_MISMATCH: the signed notes that do not fit together, whole. */
  notes?: string[];
}

export interface Preview {
  uri: string;
  purpose: string;
  expect: string;
  size_class: number;
  sizes: Record<string, number>;
  removes?: string[];
  identity: string;
  /** The pinned identity; "" for none. */
  pinned: string;
  layout: string;
}

/** `compare` (framed) {uris}: results are `Comparison`s. */
export interface Comparison {
  uri: string;
  equal: boolean;
  /** Key to "MISSING" (upstream lacks it), "EXTRA" (only upstream has it) or "CHANGED". */
  differences: Record<string, string>;
  upstream_version: string;
  request_id: string;
}

/** What was done to one secret. Each field is there if the command shows it. All of it is proven by a receipt. */
export interface Done {
  uri: string;
  outcome: string;
  hash?: string;
  values?: Record<string, string>;
  public_values?: Record<string, string>;
  upstream_version?: string;
  destination?: string;
  destination_version?: string;
  deleted_version?: string;
  destroyed?: boolean;
  restored_version?: string;
  prior_version?: string;
  newest?: boolean | null;
  request_id: string;
}

/** One row of a call about several: what was done, or why not. */
export type Row<T> = { done: T } | { failed: Failure };

/** What every changing operation answers. */
export interface Results<T> {
  results: Row<T>[];
  /** Sentences that the user should know, e.g. that an identity was rotated. */
  notes: string[];
}
