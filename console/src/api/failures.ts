/** What the page says itself, where no `monoctl` has proven a word. */

import type { Failure } from "./documents/failure";

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
