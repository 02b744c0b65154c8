/** Changes that take approvals: `changes` {waiting?, mine?, state?}: {changes: Change[], more}, the newest first; `change` {change_id}, `approve` {change_id, sha256},
 * `decline` {change_id, reason} and `withdraw` {change_id} answer a `ChangeShown`.
 */

import type { Failure } from "./sending";

/** One change as m8 carries it and monoctl decoded it. */
export interface Change {
  change_id: string;
  /** Of all that is signed, 64 hex digits. */
  sha256: string;
  purpose: string;
  uri: string;
  /** What is written: with a copy the destination, else `uri`. */
  place: string;
  requester: string;
  reason: string;
  not_after: string;
  /** Whether a receipt of the pinned identity proves that what the change expects is there. */
  proven: boolean;
  why_not_proven: string;
  /** Whether a receipt of the pinned identity names it as done. */
  done: boolean;
  pinned: boolean;
  /** "OPEN", "DONE", "OVERTAKEN", "ENDED", "WITHDRAWN" or "DECLINED": m8's word, as are the fields below. */
  state: string;
  subject: string;
  proposed_at: string;
  request_id: string;
  /** How many approvals are good by monoctl's own look. */
  approved: number;
}

/** Who says a line: the change itself, which is signed; a receipt of the pinned identity; monoctl, which has looked and finds that it holds ("here") or
 * does not ("not"); or m8 alone.
 */
export type SaidBy = "change" | "receipt" | "here" | "not" | "m8";

/** A change with all that `monoctl describe change` prints, and how the caller would approve it. */
export interface ChangeShown extends Change {
  lines: { name: string; text: string; said_by: SaidBy }[];
  /** Whether the caller proposed it, by m8's word. */
  own: boolean;
  /** "touch" of a security key, or a "word" in the terminal; "" if the caller cannot approve. */
  by: "touch" | "word" | "";
  /** What to type in the terminal. */
  word: string;
  /** Why the caller cannot approve. */
  why_not: Failure | null;
}

export interface Changes {
  changes: Change[];
  more: boolean;
}
