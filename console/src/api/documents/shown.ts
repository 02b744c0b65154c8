/** What m8 shows: secrets and their versions, stores with their reactors and pins, role bindings, requests and events. */

import type { Failure } from "./sending";

export interface Signed {
  /** Who signed the request and with which key ("SHA256:…"), by its receipt; "" where the store takes unsigned ones. */
  signer: string;
  signer_key: string;
  /** Those whose approvals of it counted, by the same receipt. */
  approvers?: { principal: string; key: string }[];
  /** Why it was done without the approvals that it takes; "" where nobody broke the glass. */
  break_glass?: string;
}

/** Whether a receipt of the pinned identity proves what is shown. */
export interface Proof {
  proven: boolean;
  /** Why not; "" if it does. */
  why_not_proven: string;
  /** Whether m8 shows something as a proof that is none: say it loudly. */
  is_false: boolean;
}

/** `secret` {uri}: a secret as m8 shows it now. */
export interface Secret extends Proof, Signed {
  uri: string;
  hash: string;
  /** Each key's fingerprint; {} without the right to see them. */
  values: Record<string, string>;
  upstream_version: string;
  prior_version: string;
  drifted: boolean;
  subject: string;
  changed_at: string;
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
  deleted: number;
  /** Of those that are present: those whose day of expiry is past, and those that expire within 30 days. */
  expired: number;
  expiring: number;
  /** Those of which the engine did not hold what was put when it was last verified; with `drifted`, those of which it did not before the last put, too. */
  out_of_sync: number;
  drifted: number;
  /** Values that stand in several places. */
  same_values: number;
}

/** `versions` {uri}: {versions: Version[]}, the newest first. */
export interface Version extends Proof, Signed {
  uri: string;
  purpose: string;
  /** "UPLOADED", "UNCHANGED", "IMPORTED", "DELETED", "UNDELETED", "ROLLED_BACK", or "EDITED" for an edit of notes. */
  outcome: string;
  upstream_version: string;
  prior_version: string;
  subject: string;
  changed_at: string;
  hash: string;
  request_id: string;
  edit: string;
}

/** "pinned": the user has agreed to this identity; "new": first contact; "changed": m8 shows another one than the pinned one, a full stop. */
type IdentityState = "pinned" | "new" | "changed";

/** What a reactor announces that it can do; "signatures": it acts on signed requests alone. */
export type Capability = "check_and_set" | "write_tag" | "readable" | "deletable" | "soft_delete" | "patchable" | "undeletable" | "rollbackable" | "listable" | "signatures";

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
  capabilities: Capability[];
  /** Whether one of its lists of signers cannot be used now. */
  signers_trouble: boolean;
  copies_to: string[];
  key_rule: string;
  layout: string;
  fingerprint_key_id: string;
}

/** `stores` {}: {stores: Store[]}. */
export interface Store {
  name: string;
  type: string;
  /** Whether it takes requests. */
  active: boolean;
  is_default: boolean;
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

/** `role-bindings` {}: {role_bindings: RoleBinding[]}, for administrators and auditors. m8's word. */
export interface RoleBinding {
  name: string;
  /** "administrator", "auditor" or "user". */
  role: string;
  /** `kind:issuer:name`. */
  members: string[];
  /** With "user": below which prefix the rights are valid; else "" and none. */
  prefix: string;
  rights: string[];
  /** The position in the log of the event that made it what it is. */
  version: number;
}

/** `upload` {request_id, wait?}. */
export interface Upload extends Proof, Signed {
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
  record_hash: string;
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
