// What a call of m8 can end in, and what a client says before anything was sent.
import { MonoskopeError } from "../protocol/errors.ts";

/** m8 refused a call, or did not answer it as it must. What it says is m8's word. */
export class M8Error extends MonoskopeError {
  /** Whether the same call can succeed later. */
  readonly temporary: boolean;
  /** What to do, as m8 says it; "" if it says nothing. */
  readonly fix: string;

  constructor(code: string, message: string, { temporary = false, fix = "" } = {}) {
    super(code, message);
    this.temporary = temporary;
    this.fix = fix;
  }
}

/** The store was not agreed to: nobody has compared its identity yet. Nothing was asked of it. */
export class UnknownStoreError extends MonoskopeError {
  readonly store: string;

  constructor(server: string, store: string) {
    super("NOT_AGREED", `the store ${store} of ${server} has no pinned identity. Compare the one that its operator tells you, and pin it.`);
    this.store = store;
  }
}

/** The store gave no key, so nothing was sealed or sent. m8 says why: nobody signed it. */
export class NoKeyError extends MonoskopeError {
  /** The reason's name, as in docs/protocol.md: `RATE_LIMITED`. */
  readonly reason: string;
  /** With RATE_LIMITED: seconds after which it can succeed; 0 if that is not known. */
  readonly retryAfterS: number;

  constructor(reason: string, detail: string, retryAfterS: number) {
    super(reason, `the store gives no one-time key: ${reason}${detail === "" ? "" : ` (${detail})`}. Nothing was sent.`);
    this.reason = reason;
    this.retryAfterS = retryAfterS;
  }
}
