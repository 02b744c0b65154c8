/** Which messages of the live stream are a reason to ask again. */

import type { Live } from "../../api/documents/live";

const STORE_EVENT = /^(SecretStore|DefaultSecretStore|Reactor|FingerprintKey)/;

/** Whether a message may change how stores are shown. A heartbeat is no event, so the views ask by the clock, too. */
export function concernsStores(message: Live): boolean {
  return (message.kind === "m8" && message.away === "") || (message.kind === "event" && STORE_EVENT.test(message.event.type));
}
