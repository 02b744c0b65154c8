/** What is counted and grouped over all secrets and the log. */

import type { Me } from "./session";
import type { Figures, Store } from "./shown";

/** `groups` {}: {groups: Group[], keys_read: number, complete: boolean}, the largest first. Values that stand in several places, by hash. */
export interface Group {
  fingerprint: string;
  places: { uri: string; key: string; store: string; subject: string; changed_at: string }[];
  /** How many different stores. */
  stores: number;
}

/** `expiring` {}: {days: ExpiringDay[], without: number}; days in order, also those that are past. `without`: how many have no day of expiry. */
export interface ExpiringDay {
  day: string;
  /** Those that expire. */
  uris: string[];
  /** Those whose label says that their rotation is due. m8's word. */
  due: string[];
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

/** `status` {}: for administrators and auditors. */
export interface Status {
  server: Me;
  certificate_expires: string;
  fingerprint_key_id: string;
  stores: Store[];
  figures: Figures;
  head: number;
  log: Log | null;
}

/** The log to which m8 is held, as far as it was looked at just now, which pins it; null if m8 shows none. */
export interface Log {
  size: number;
  signed_at: string;
  /** How many entries a quorum of witnesses has seen. */
  witnessed_size: number;
  /** How many witnesses m8 wants. This and what follows is m8's word. */
  quorum: number;
  witnesses: { name: string }[];
  /** Why m8 signs nothing at present, or "". */
  trouble: string;
  /** That a quorum is missing for too long, or "". */
  quorum_trouble: string;
}
