/** What the page says itself, where no `monoctl` has proven a word, and when it says and sends no more.
 *
 * Whether the `monoctl` that served this page is still there. Once it has ended, whoever listens at its port is somebody else.
 *
 * The open live stream is the sign of life: nobody else can go on with that connection. Without it, an answer without
 * proof means the end, and so does silence for `PATIENCE_MS`.
 * Whether m8 has shown a log that does not hold. Then this page sends nothing more that m8 could hear of: it does not go on by itself.
 */

import type { Failure } from "./documents/sending";

/** Nothing answers at the page's port, or somebody else. */
export function gone(): Failure {
  return said({
    code: "CONSOLE_GONE",
    message: "monoctl console does not answer: it has ended, or it has given this page up.",
    fix: "Press Enter in the terminal where `monoctl console` runs, or run it again. If you were sending something, look at the secret first: it may or may not be written.",
  });
}

/** The live stream is broken: `monoctl` may have ended. */
export function broken(): Failure {
  return said({
    code: "UNAVAILABLE",
    message: "The connection to monoctl console is broken. Nothing was sent.",
    fix: "Try again in a moment. If the page says then that the console has ended, run `monoctl console` again.",
  });
}

/** The browser lacks what seals and proves (WebCrypto). */
export function noCrypto(): Failure {
  return said({
    code: "BROWSER",
    exit_code: 2,
    message: "This browser cannot seal what the page sends: it has no WebCrypto, or keeps it from this page.",
    fix: "Open the page in another browser: press Enter in the terminal where `monoctl console` runs. Or use monoctl in the terminal.",
  });
}

/** The link began no session. */
export function badLink(): Failure {
  return said({
    code: "LINK_ENDED",
    exit_code: 10,
    message: "This link does not work: it works once, and for two minutes.",
    fix: "Press Enter in the terminal where `monoctl console` runs: it opens a new page. If you have not used this link yourself, somebody else has: end `monoctl console` with Ctrl-C and tell your administrator.",
  });
}

/** The server refused before any operation saw the request. */
export function notProven(status: number): Failure {
  if (status === 413) {
    return said({ code: "USAGE", exit_code: 2, message: "This is more than `monoctl console` takes at once. Nothing was sent.", fix: "Send fewer or smaller values at once." });
  }
  return said({ code: "PROTOCOL", exit_code: 13, message: `monoctl console did not take this request (status ${status}).`, fix: "Try it again." });
}

function said(words: { code: string; message: string; fix: string; exit_code?: number }): Failure {
  return { exit_code: 7, by_m8: false, reason: "", retry_after_s: null, uri: "", ...words };
}

/** How long the page goes on without a sign of life. The live stream is opened again several times within it. */
export const PATIENCE_MS = 5_000;

let ended = false;
let alive = true;
let doubted: ReturnType<typeof setTimeout> | undefined;
const endHandlers = new Set<() => void>();

/** Whether it has ended. It does not come back: nothing is sent any more, and only another page can go on. */
export function hasEnded(): boolean {
  return ended;
}

/** Have `handler` called once when it has ended; at once if it has already. Whoever holds a value in a field erases it then. Returns what takes the handler back. */
export function onEnded(handler: () => void): () => void {
  if (ended) handler();
  else endHandlers.add(handler);
  return () => void endHandlers.delete(handler);
}

/** Whether it showed a sign of life last: a value is sent then alone, so that what became of it is known. */
export function isAlive(): boolean {
  return alive && !ended;
}

/** An answer was proven: it is there. */
export function seen(): void {
  clearTimeout(doubted);
  doubted = undefined;
}

/** The live stream began, with a proof. */
export function opened(): void {
  alive = true;
  seen();
}

/** The live stream ended. */
export function closed(): void {
  alive = false;
  silent();
}

/** Nothing answered. While the live stream is open, it was a mishap. */
export function silent(): void {
  if (!alive && !ended) doubted ??= setTimeout(leave, PATIENCE_MS);
}

/** Something answered without a proof. With the live stream open, this is a refusal of the server that no session has a part in. */
export function unproven(): void {
  if (!alive) leave();
}

function leave(): void {
  if (ended) return;
  ended = true;
  for (const handler of endHandlers) handler();
  endHandlers.clear();
}

let why: Failure | null = null;
const stopHandlers = new Set<(failure: Failure) => void>();

/** Why nothing is sent any more; null while all is well. */
export function stopped(): Failure | null {
  return why;
}

/** Have `handler` called when the page stops. */
export function onStopped(handler: (failure: Failure) => void): void {
  stopHandlers.add(handler);
}

/** Stop the page if a failure says that the log does not hold. The first one counts: its notes are the evidence. */
export function heed(failure: Failure): void {
  if (failure.code !== "LOG_MISMATCH" || why !== null) return;
  why = failure;
  for (const handler of stopHandlers) handler(failure);
}
