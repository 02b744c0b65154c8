/** How stores, their engines and reactors are, in words and colours, and which events are about them.
 *
 * The health of stores, in words. What is known comes from reactors' heartbeats, as m8 tells it.
 */

import type { Live } from "../../api/documents/session";
import type { Reactor, Store } from "../../api/documents/shown";
import type { IconName, Tone } from "../../parts";

/** The picture of each tone: it says without colour what colour says. */
export const TONE_ICONS: Record<Tone, IconName> = { good: "check", warn: "alert", bad: "x", info: "info", plain: "minus" };

interface Health {
  tone: Tone;
  /** One or two words. */
  word: string;
  /** A sentence that says what it means, and what to do. */
  sentence: string;
}

const ENGINES: Record<string, Health> = {
  ok: { tone: "good", word: "ok", sentence: "The engine answered the last check." },
  refused: {
    tone: "bad",
    word: "refused",
    sentence: "The engine answers and refuses: credentials, policy or mount are not as configured. The store's operator can mend that.",
  },
  unavailable: { tone: "bad", word: "unavailable", sentence: "The engine does not answer, or asks to wait. Requests fail until it does." },
  unknown: { tone: "plain", word: "unknown", sentence: "No reactor has said how its engine is." },
};

/** Return how one engine is, by the word of a reactor. */
export function engineHealth(word: string): Health {
  return ENGINES[word] ?? { tone: "plain", word: word || "unknown", sentence: "This console does not know the word." };
}

/** Return how a store is as a whole: whether it takes requests, has a reactor, and the engine's health. */
export function storeHealth(store: Store): Health {
  if (!store.active) return { tone: "plain", word: "inactive", sentence: "The store takes no requests. An administrator can activate it." };
  if (!store.reactors.some((one) => one.attached))
    return { tone: "bad", word: "no reactor", sentence: "No reactor of this store is connected to m8: requests fail. The store's operator can start one." };
  return engineHealth(store.engine);
}

/** What the reactor can do, and what it cannot: each with whether it can. */
export function capabilities(reactor: Reactor): { word: string; can: boolean }[] {
  return [
    { word: "read back", can: reactor.capabilities.includes("readable") },
    { word: "patch", can: reactor.capabilities.includes("patchable") },
    { word: "delete (can be brought back)", can: reactor.capabilities.includes("soft_delete") },
    { word: "erase for good", can: reactor.capabilities.includes("deletable") },
    { word: "undelete", can: reactor.capabilities.includes("undeletable") },
    { word: "roll back", can: reactor.capabilities.includes("rollbackable") },
    { word: "list upstream", can: reactor.capabilities.includes("listable") },
  ];
}

const REFUSALS: Record<string, string> = {
  FINGERPRINT_KEY: "its fingerprint key is not allowed",
  STORE_TYPE: "the store is of another type",
  TOO_MANY_REACTORS: "the store has as many reactors as it may have",
};

/** Return why m8 refused the login of a reactor. */
export function refusalWords(refusal: string): string {
  return REFUSALS[refusal] ?? refusal;
}

/** Stores that need somebody first, then by name. */
export function worstFirst(stores: readonly Store[]): Store[] {
  const rank: Record<Tone, number> = { bad: 0, warn: 1, info: 2, good: 2, plain: 3 };
  const urgency = (store: Store): number => (store.identity_state === "changed" ? -1 : rank[storeHealth(store).tone]);
  return [...stores].sort((a, b) => urgency(a) - urgency(b) || a.name.localeCompare(b.name));
}

/** Return a limit in bytes, for people: "64 KiB", "1.5 MiB". It is rounded down. */
export function limitWords(count: number): string {
  if (count >= 1024 * 1024) return `${Math.floor((10 * count) / (1024 * 1024)) / 10} MiB`;
  return count >= 1024 ? `${Math.floor(count / 1024)} KiB` : `${count} bytes`;
}

const STORE_EVENT = /^(SecretStore|DefaultSecretStore|Reactor|FingerprintKey)/;

/** Whether a message may change how stores are shown. A heartbeat is no event, so the views ask by the clock, too. */
export function concernsStores(message: Live): boolean {
  return (message.kind === "m8" && message.away === "") || (message.kind === "event" && STORE_EVENT.test(message.event.type));
}
