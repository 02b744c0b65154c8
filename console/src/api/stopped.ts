/** Whether m8 has shown a log that does not hold. Then this page sends nothing more that m8 could hear of: it does not go on by itself. */

import type { Failure } from "./documents/failure";

let why: Failure | null = null;
const handlers = new Set<(failure: Failure) => void>();

/** Why nothing is sent any more; null while all is well. */
export function stopped(): Failure | null {
  return why;
}

/** Have `handler` called when the page stops. */
export function onStopped(handler: (failure: Failure) => void): void {
  handlers.add(handler);
}

/** Stop the page if a failure says that the log does not hold. The first one counts: its notes are the evidence. */
export function heed(failure: Failure): void {
  if (failure.code !== "LOG_MISMATCH" || why !== null) return;
  why = failure;
  for (const handler of handlers) handler(failure);
}
