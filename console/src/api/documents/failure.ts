/** What went wrong, wherever it did. */

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
