/** What the page and `monoctl console` say to each other. Documents have the names of `monoctl … -o json`.
 *
 * `POST /api/<operation>` with a JSON object. Operations that take values (`ValueOperation`) have a framed body: see `call.ts`.
 * Every body but that of `begin` is sealed, and every answer is proven: see `sealed.ts`.
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
}

/** Whether a receipt of the pinned identity proves what is shown. */
export interface Proof {
  proven: boolean;
  /** Why not; "" if it does. */
  why_not_proven: string;
  /** Whether m8 shows something as a proof that is none: say it loudly. */
  is_false: boolean;
}

// --- the session ---

/** `begin` {token}: the one call without a session, and the one that is not sealed. `token` is the name of the link's token, not the token. It
 * works once. The answer has `key`, too, which call.ts keeps for itself.
 *
 * 401 is the console's own answer, with one of three codes that no command has: "SESSION_ENDED"; "LINK_ENDED" (too old, none of ours, or the page was
 * loaded again); "LINK_USED": somebody used the link before, and the session that it began has ended now. Say that loudly.
 */
export interface Session {
  session: string;
  me: Me;
  /** What `secrets` {} answers at this moment, so that the first view needs no further call. */
  first?: SecretsPage;
}

/** `whoami` {}: who the caller is to m8. m8's word. */
export interface Me {
  subject: string;
  /** "user" or "administrator". */
  role: string;
  prefixes: string[];
  /** E.g. "put", "see-hash". */
  rights: string[];
  expires: string;
  server: string;
  m8_version: string;
  monoctl_version: string;
  /** "" while m8 answers, else the sentence that says what is wrong: then all of the above but server may be empty. */
  away: string;
}

// --- stores and pins ---

/** "pinned": the user has agreed to this identity; "new": first contact; "changed": m8 shows another one than the pinned one, a full stop. */
export type IdentityState = "pinned" | "new" | "changed";

export interface Reactor {
  replica: string;
  attached: boolean;
  last_heard_at: string;
  /** "ok", "refused", "unavailable" or "unknown". */
  engine: string;
  engine_since_at: string;
  last_failure: string;
  last_failure_at: string;
  max_plaintext: number;
  readable: boolean;
  deletable: boolean;
  soft_delete: boolean;
  patchable: boolean;
  undeletable: boolean;
  rollbackable: boolean;
  listable: boolean;
  copies_to: string[];
  key_rule: string;
  layout: string;
  fingerprint_key_id: string;
}

/** `stores` {}: {stores: Store[]}. */
export interface Store {
  name: string;
  type: string;
  /** "active" or "inactive". */
  state: string;
  default: boolean;
  identity: string;
  identity_rotations: number;
  fingerprint_key_id: string;
  max_plaintext: number;
  created_at: string;
  layout: string;
  maturity: string;
  last_heard_at: string;
  /** "ok", "refused", "unavailable", "unknown"; "" if no reactor is attached. */
  engine: string;
  pending: number;
  refused_login: { replica: string; refusal: string; refused_at: string; fingerprint_key_id: string } | null;
  reactors: Reactor[];
  identity_state: IdentityState;
  /** The identity that is pinned; "" for none. */
  pinned: string;
  /** With "changed": the sentences that say what is wrong and what to do. */
  identity_message: string;
  identity_fix: string;
}

/** `pin` {store, identity}: {store, identity}. The user has compared it; fails with IDENTITY_CHANGED if m8 shows another one. */
export interface Pinned {
  store: string;
  identity: string;
}

// --- what m8 knows ---

export interface Secret extends Proof {
  uri: string;
  hash: string;
  /** Each key's fingerprint; {} without the right to see them. */
  values: Record<string, string>;
  upstream_version: string;
  prior_version: string;
  drifted: boolean;
  subject: string;
  uploaded_at: string;
  request_id: string;
  labels: Record<string, string>;
  /** YYYY-MM-DD or "". */
  expires_on: string;
  deleted: boolean;
  /** "IN_SYNC", "DRIFTED", "GONE" or "". */
  sync: string;
  verified_at: string;
  /** In one word: "IN_SYNC", "DRIFTED", "GONE", "OVERWROTE", "DELETED" or "". */
  status: string;
  notes_edited_by: string;
  notes_edited_at: string;
  /** How many other places hold the same value as one of its keys, by hash. */
  same_elsewhere: number;
}

export type SortField = "uri" | "changed" | "expires" | "by" | "sync" | "verified" | "version";

/** `secrets`: what to show of all secrets that the caller may see. All are optional. */
export interface SecretsRequest {
  /** Words that the URI, a label, the subject or a key contains; a text that begins with `fp1:` is a hash. */
  search?: string;
  store?: string;
  /** Below this URI prefix, by whole segments. */
  prefix?: string;
  subject?: string;
  /** "NAME" or "NAME=VALUE". */
  label?: string;
  /** "present" (the default), "deleted", "drifted", "out-of-sync", "unproven", "unverified". */
  state?: string;
  /** Expires within so many days, or has expired. */
  expiring_days?: number;
  sort?: SortField;
  descending?: boolean;
  /** From 0. */
  page?: number;
  /** 1 to 200, by default 50. */
  page_size?: number;
}

export interface SecretsPage {
  secrets: Secret[];
  /** How many match. */
  total: number;
  /** How many the console has read from m8 so far, and whether that is all. */
  loaded: number;
  complete: boolean;
  /** Said if there are more than the console reads. */
  note: string;
  /** How many of all there are of each: for filters. */
  stores: Record<string, number>;
  subjects: Record<string, number>;
  labels: Record<string, number>;
  statuses: Record<string, number>;
  /** What is said of all in short. */
  figures?: Figures;
}

/** Counts over all secrets, whatever was asked for. */
export interface Figures {
  present: number;
  /** Of these, those that expire within 30 days or have expired. */
  expiring: number;
  /** Those of which the engine does not hold what was put, or did not before the last put. */
  drifted: number;
  /** Values that stand in several places. */
  same_values: number;
}

/** `secret` {uri}: Secret, as m8 shows it now. */

/** `versions` {uri}: {versions: Version[]}, the newest first. */
export interface Version extends Proof {
  uri: string;
  purpose: string;
  /** "UPLOADED", "UNCHANGED", "IMPORTED", "DELETED", "UNDELETED", "ROLLED_BACK", or "EDITED" for an edit of notes. */
  outcome: string;
  upstream_version: string;
  prior_version: string;
  subject: string;
  recorded_at: string;
  hash: string;
  request_id: string;
  edit: string;
}

/** `upload` {request_id, wait?}. */
export interface Upload extends Proof {
  request_id: string;
  uri: string;
  destination: string;
  purpose: string;
  state: string;
  outcome: string;
  reason: string;
  m8_says: string;
  subject: string;
  requested_at: string;
  changed_at: string;
  has_receipt: boolean;
  /** Of a request that failed by its receipt: why, and what to do. */
  failure?: Failure | null;
}

export interface Event {
  position: number;
  stream: string;
  version: number;
  type: string;
  recorded_at: string;
  actor: string;
  uri: string;
  detail: string;
  hash: string;
  /** 32 hex digits, "" for events of no request. */
  request_id: string;
}

/** `events` {prefix?, actor?, request_id?, limit?, before?}: {events: Event[]}, the newest first. */
export interface EventsRequest {
  prefix?: string;
  actor?: string;
  request_id?: string;
  /** 1 to 1000, by default 100. */
  limit?: number;
  /** Only events before this position of the log: what comes after the oldest that is shown. 0 for any. */
  before?: number;
}

// --- pictures ---

/** `groups` {}: {groups: Group[], keys_read: number, complete: boolean}, the largest first. Values that stand in several places, by hash. */
export interface Group {
  fingerprint: string;
  places: { uri: string; key: string; store: string; subject: string; uploaded_at: string }[];
  /** How many different stores. */
  stores: number;
}

/** `expiring` {}: {days: ExpiringDay[], without: number}; days in order, also those that are past. `without`: how many have no day. */
export interface ExpiringDay {
  day: string;
  uris: string[];
}

/** `activity` {days, quick?}: what ended, by time; made from the log. m8's word. With `quick`, of the newest events alone if reading all would take long. */
export interface Activity {
  /** Of equal length, oldest first; hours for up to 2 days, else days. */
  buckets: { from: string; outcomes: Record<string, number> }[];
  /** All outcomes that occur: e.g. "UPLOADED", "DELETED", "COMPARED", "FAILED: CONFLICT". */
  outcomes: string[];
  people: { actor: string; outcomes: Record<string, number> }[];
  /** Requests that have not ended. */
  open: { request_id: string; uri: string; actor: string; since: string; last: string }[];
  /** The newest requests that failed, the newest first, 100 at most; `reason` as m8 says it, e.g. "CONFLICT". */
  failed: { request_id: string; uri: string; actor: string; at: string; reason: string }[];
  /** Whether all events of that time were read. */
  complete: boolean;
}

/** `drift` {}: {secrets: Secret[]}: present secrets whose status is DRIFTED, GONE or OVERWROTE. */

/** `status` {}: for administrators. */
export interface Status {
  server: Me;
  certificate_expires: string | null;
  fingerprint_key_id: string;
  stores: Store[];
  /** Present, deleted, drifted, out-of-sync, expiring within 30 days, expired. */
  counts: Record<string, number>;
  head: number;
}

// --- what commands do ---

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

/** `patch` (framed). */
export interface PatchRequest {
  uris: string[];
  remove?: string[];
  expect?: Expect;
  dry_run?: boolean;
  options?: Record<string, string>;
  timeout?: number;
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

/** `generate` {uri, recipes: {key: "password:32"}, expect?, labels?, expires_on?}. */
export interface GenerateRequest extends Notes {
  uri: string;
  recipes: Record<string, string>;
  expect?: Expect;
}

/** `recipes` {}: {kinds: Kind[]}: what reactors can make. */
export interface Kind {
  name: string;
  default: number;
  unit: string;
  /** Sizes that may be given; [] for any from `least` to `most`, or none at all if `most` is 0. */
  sizes: number[];
  least: number;
  most: number;
  is_pair: boolean;
}

/** `copy` {uri, destination, expect?}, `import` {uris}, `verify` {uris} or {prefix}, `delete` {uris, typed, expect?, destroy?},
 * `undelete` {uris, expect?}, `rollback` {uri, to, expect?}, `label` {uri, set, remove}, `expire` {uri, on}, `upstream` {uri}: {names, complete}.
 *
 * `typed` is what the user typed to confirm a deletion: the URI, or with several "delete N secrets". `monoctl` checks it.
 */

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

// --- the live stream: `POST /api/live` {}, one JSON object a line ---

export type Live =
  | { kind: "event"; event: Event }
  /** m8 answers again, or does not. */
  | { kind: "m8"; away: string }
  /** The listing has changed: ask again for what is on the screen. */
  | { kind: "secrets"; loaded: number; complete: boolean }
  /** A request of this console went on: "ASKING", "SENT" or "ENDED". */
  | { kind: "progress"; uri: string; request_id: string; stage: string; end: string }
  /** A sentence for the user. */
  | { kind: "note"; text: string }
  /** Nothing happened for a while; the connection lives. */
  | { kind: "tick" };
