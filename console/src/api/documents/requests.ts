/** Requests and events, as m8 recorded them. */

import type { Failure } from "./failure";
import type { Proof } from "./proof";

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
  /** Who signed the request and with which key ("SHA256:…"), by its receipt; "" where the store takes unsigned ones. */
  signer: string;
  signer_key: string;
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
