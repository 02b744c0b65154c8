/** What commands answer: what was done, or why not. */

import type { Failure } from "./failure";

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
