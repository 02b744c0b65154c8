/** Secrets: the listing, one secret, and its versions. */

import type { Proof } from "./proof";

/** `secret` {uri}: a secret as m8 shows it now. */
export interface Secret extends Proof {
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
  /** Who signed the request and with which key ("SHA256:…"), by its receipt; "" where the store takes unsigned ones. */
  signer: string;
  signer_key: string;
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
export interface Version extends Proof {
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
  /** Who signed the request and with which key ("SHA256:…"), by its receipt; "" where the store takes unsigned ones. */
  signer: string;
  signer_key: string;
}
