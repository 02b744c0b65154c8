// How a request that was sent can end. Only a proven receipt makes a success: there is no other way to make one.
import { Outcome, Reason, type Receipt } from "../messages/secrets/v1/upload_pb.ts";
import { leavesOpen, ProvenReceipt } from "../protocol/receipt.ts";

/** The store's reactor did it, and signed that. */
export class Done {
  readonly kind = "done";
  readonly #receipt: ProvenReceipt;

  constructor(receipt: ProvenReceipt) {
    const { outcome } = receipt.message;
    if (!ProvenReceipt.is(receipt)) throw new TypeError("this receipt is not proven");
    if (outcome === Outcome.FAILED || outcome === Outcome.STARTED) throw new TypeError("this receipt tells of no success");
    this.#receipt = receipt;
  }

  get receipt(): ProvenReceipt {
    return this.#receipt;
  }

  /** `UPLOADED`, `UNCHANGED`, `EQUAL` or `DIFFERENT`. */
  get outcome(): string {
    return Outcome[this.#receipt.message.outcome];
  }

  /** The hash of the whole secret, "" if the receipt has none. */
  get fingerprint(): string {
    return this.#receipt.message.fingerprint;
  }
}

/** The store's reactor did nothing, and signed that. */
export class Failed {
  readonly kind = "failed";
  readonly receipt: ProvenReceipt;
  /** The reason's name, as in docs/protocol.md: `CONFLICT`. */
  readonly reason: string;
  /** One fixed sentence of the reactor, "" for none. */
  readonly detail: string;
  /** With RATE_LIMITED: seconds after which it can succeed; 0 if that is not known. */
  readonly retryAfterS: number;

  constructor(receipt: ProvenReceipt) {
    const { message } = receipt;
    if (!ProvenReceipt.is(receipt)) throw new TypeError("this receipt is not proven");
    if (message.outcome !== Outcome.FAILED || leavesOpen(message)) throw new TypeError("this receipt tells of no failure");
    this.receipt = receipt;
    this.reason = Reason[message.reason];
    this.detail = message.detail;
    this.retryAfterS = message.retryAfterS;
  }
}

/**
 * It may or may not have been written, now or later until `until`. Do not seal again before you know: ask m8 for the
 * request, or compare the secret.
 */
export class Unknown {
  readonly kind = "unknown";
  readonly code = "OUTCOME_UNKNOWN";
  /** 32 hex digits: `monoctl get upload ID` asks for it. */
  readonly requestId: string;
  /** Until when the secret could still be written: the end of the one-time key's lifetime. */
  readonly until: Date;
  /** Why it is not known. */
  readonly why: string;
  /** What the reactor signed about it, null for nothing. */
  readonly receipt: ProvenReceipt | null;

  constructor(requestId: string, until: Date, why: string, receipt: ProvenReceipt | null = null) {
    this.requestId = requestId;
    this.until = until;
    this.why = why;
    this.receipt = receipt;
  }
}

/** The end of a request that was sent. */
export type End = Done | Failed | Unknown;

/** What a proven receipt tells of the end; null for STARTED, which is none. */
export function endOf(receipt: ProvenReceipt, unknown: (why: string, receipt: ProvenReceipt) => Unknown): End | null {
  const message: Receipt = receipt.message;
  if (message.outcome === Outcome.STARTED) return null;
  if (message.outcome !== Outcome.FAILED) return new Done(receipt);
  if (leavesOpen(message)) return unknown(`the store's reactor says ${Reason[message.reason]}`, receipt);
  return new Failed(receipt);
}
