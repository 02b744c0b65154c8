/** Stores, their reactors and their pins. */

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
