// The receipt: a reactor's signed word on what became of one request (docs/protocol.md, Messages and step 7).
import { Outcome, Reason, type Receipt, ReceiptSchema, type Signed } from "../messages/secrets/v1/upload_pb.ts";
import { byteOrder, type Bytes, equal, sha256 } from "./bytes.ts";
import { checkCopied } from "./copied.ts";
import { MalformedError, ProofError } from "./errors.ts";
import { type Grant, wellFormed } from "./grant.ts";
import { openSigned } from "./identity.ts";
import { RECEIPT } from "./labels.ts";
import { fits } from "./purposes.ts";
import { checkReceipt, isBeforeSealing } from "./receipt_rules.ts";
import { pairKeys } from "./recipes.ts";
import { SecretUri } from "./uri.ts";
import { parse } from "./wire.ts";

/** Parses the bytes of a Receipt, whoever signed them. Throws `MalformedError`. */
export function parseReceipt(content: Uint8Array): Receipt {
  const message = parse(ReceiptSchema, content);
  try {
    SecretUri.parse(message.uri);
  } catch {
    throw new MalformedError("Receipt", "uri", "is not a secret URI");
  }
  checkReceipt(message);
  return message;
}

const PROVING = Symbol();

/**
 * A receipt that the store's pinned identity signed for one grant and for the very bytes that were sealed.
 *
 * Only `openReceipt` makes one: whoever holds one holds a proof.
 */
export class ProvenReceipt {
  readonly #proven = true;
  readonly message: Receipt;
  /** As it came, to show to others. */
  readonly signed: Signed;

  constructor(proving: typeof PROVING, message: Receipt, signed: Signed) {
    if (proving !== PROVING) throw new TypeError("only openReceipt makes proven receipts");
    this.message = message;
    this.signed = signed;
  }

  /** Whether it is one, and nothing of the same shape. */
  static is(one: object): one is ProvenReceipt {
    return #proven in one && (one as ProvenReceipt).#proven;
  }
}

/**
 * Verifies and parses a signed receipt: every check of step 7, but whether it is an end (STARTED is none) and whether
 * its signer is the caller. Throws `ProofError`: it proves nothing.
 *
 * @param identity The store's identity, as it is shown.
 * @param grant The grant that it must be about.
 * @param sealedSha256 SHA-256 of what was sent; null where nothing was sent yet.
 */
export async function openReceipt(signed: Signed, identity: string, grant: Grant, sealedSha256: Bytes | null): Promise<ProvenReceipt> {
  const content = await openSigned(signed, RECEIPT, identity);
  const receipt = await wellFormed("receipt", (async () => parseReceipt(content))());
  const { request } = grant;
  const signs = grant.message.signatureRequired && receipt.outcome !== Outcome.FAILED;
  const pairs = receipt.publicValues.map(({ key }) => key);
  if (!equal(receipt.grantSha256, grant.sha256)) throw new ProofError("GRANT", "the receipt is for another grant.");
  if (receipt.uri !== request.uri.toString()) throw new ProofError("SECRET", "the receipt is for another secret.");
  if (!fits(receipt.outcome, request.rules)) throw new ProofError("OUTCOME", "the receipt's outcome does not fit what was asked.");
  if ((receipt.signer !== "") !== signs) {
    throw new ProofError("SIGNER", "the receipt does not say who signed the request, or names a signer of one that takes none.");
  }
  if (pairs.length > 0 && pairs.join() !== pairKeys(request.message.recipes).join()) {
    throw new ProofError("PUBLIC_VALUES", "the receipt's public halves are not of what was to be made.");
  }
  checkApproved(receipt, grant);
  checkPage(receipt, request.message.listAfter);
  checkRestored(receipt, grant);
  if (receipt.outcome === Outcome.COPIED) await checkCopied(receipt, grant.request);
  if (!equal(receipt.sealedSha256, sealedSha256 ?? new Uint8Array()) && !isBeforeSealing(receipt)) {
    throw new ProofError("SEALED", "the receipt is for other sealed bytes.");
  }
  return new ProvenReceipt(PROVING, receipt, signed);
}

/** Whether a proven FAILED leaves open whether something was written. */
export function leavesOpen(receipt: Receipt): boolean {
  return receipt.outcome === Outcome.FAILED && (receipt.reason === Reason.KEY_LOST || receipt.reason === Reason.OUTCOME_UNKNOWN);
}

/** SHA-256 of encapsulated key || ciphertext; of nothing sealed that of no bytes. */
export function sealedDigest(encapsulatedKey: Uint8Array, ciphertext: Uint8Array): Promise<Bytes> {
  return sha256(encapsulatedKey, ciphertext);
}

/** Announcement and success name the change that was asked for, or why the glass is broken, and nothing else. */
function checkApproved(receipt: Receipt, grant: Grant): void {
  const asked = grant.request.message;
  if (receipt.outcome === Outcome.FAILED) return;
  if (!equal(receipt.changeSha256, asked.changeSha256)) throw new ProofError("CHANGE", "the receipt is for another change than was asked for.");
  if (receipt.breakGlass !== asked.breakGlass) throw new ProofError("CHANGE", "the receipt does not say that the glass was broken as was asked, or says it of another.");
}

function checkPage(receipt: Receipt, after: string): void {
  const first = receipt.listed?.names[0];
  if (first !== undefined && byteOrder(first, after) <= 0) {
    throw new ProofError("PAGE", "the receipt lists another page than the one that was asked for.");
  }
}

/** Announcement and success of UNDELETE and ROLLBACK name the version that is brought back, and no other receipt does. */
function checkRestored(receipt: Receipt, grant: Grant): void {
  if (![Outcome.UNDELETED, Outcome.ROLLED_BACK, Outcome.STARTED].includes(receipt.outcome)) return;
  const { successes } = grant.request.rules;
  const undeletes = successes.includes(Outcome.UNDELETED);
  if ((receipt.restoredVersion !== "") !== (undeletes || successes.includes(Outcome.ROLLED_BACK))) {
    throw new ProofError("RESTORED", "the receipt is not about the version that is to be brought back.");
  }
  const asked = undeletes ? grant.request.message.expectVersion : grant.request.message.toVersion;
  if (asked !== "" && receipt.restoredVersion !== asked) {
    throw new ProofError("RESTORED", "the receipt brings back another version than was asked.");
  }
}
