/** How many changes wait for the user's approval. */

import type { Changes } from "../api/documents/changes";
import type { Live } from "../api/documents/session";
import { type Answer, useAnswer } from "./answer";
import { useMe } from "./me";

/** Whether something happened to a change, or to what it expects. */
export function concernsChanges(message: Live): boolean {
  if (message.kind === "event") return message.event.type.startsWith("SecretChange") || message.event.type === "SecretUploadRequested";
  return message.kind === "secrets" || (message.kind === "m8" && message.away === "");
}

/** The changes that wait for the user. Nobody is asked for a user who may approve nothing. */
export function useWaiting(): Answer<Changes> {
  return useAnswer<Changes>(useMe().rights.includes("approve") ? "changes" : null, { waiting: true }, { when: concernsChanges });
}
