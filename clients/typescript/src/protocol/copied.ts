// What proves a COPY: the destination's receipt and grant inside the source's receipt (docs/protocol.md, COPY).
import { Outcome, Purpose, type Receipt } from "../messages/secrets/v1/upload_pb.ts";
import { equal, sameTexts, sha256 } from "./bytes.ts";
import { ProofError } from "./errors.ts";
import { type Grant, parseGrant } from "./grant.ts";
import { COPY_REQUEST, labelled } from "./labels.ts";
import { parseReceipt } from "./receipt.ts";
import type { Request } from "./request.ts";

/** The id of the request at the destination, from the id of the COPY, 16 bytes. */
export async function putRequestId(copyRequestId: Uint8Array): Promise<Uint8Array> {
  return (await sha256(labelled(COPY_REQUEST, copyRequestId))).slice(0, 16);
}

/**
 * Checks that what arrived is what left, at the place that was asked for, by the put of this COPY. Throws `ProofError`.
 *
 * Who signed at the destination only its pin tells: that is not checked here.
 */
export async function checkCopied(copied: Receipt, copy: Request): Promise<void> {
  const version = copy.message.sourceVersion;
  if (version !== "" && copied.upstreamVersion !== version) throw new ProofError("SOURCE", "the receipt copied another version than was asked.");
  const [keys, values] = [copy.message.keys, copied.values];
  if (keys.length > 0 && !sameTexts(keys, values.map(({ key }) => key))) throw new ProofError("SOURCE", "the receipt copied other keys than were asked.");
  const wrong = (what: string) => new ProofError("DESTINATION", `the destination's ${what}.`);
  let there: Receipt;
  let put: Grant | null;
  try {
    there = parseReceipt(copied.destination?.content ?? new Uint8Array());
    put = copied.destinationGrant === undefined ? null : await parseGrant(copied.destinationGrant.content);
  } catch {
    throw wrong("grant or receipt is malformed");
  }
  const written = there.outcome === Outcome.UPLOADED || there.outcome === Outcome.UNCHANGED;
  if (there.uri !== copy.destination?.toString() || !written) throw wrong("receipt is about something else");
  const hashes = ({ fingerprint, values }: Receipt) => [fingerprint, ...values.flatMap((value) => [value.key, value.fingerprint])];
  if (!sameTexts(hashes(there), hashes(copied))) throw wrong("receipt has another hash, or hashes of other keys");
  if (put === null) return;
  const asked = put.request.message;
  const from = copy.message;
  if (!equal(asked.requestId, await putRequestId(from.requestId))) throw wrong("grant is for another request than this copy's");
  if (asked.uri !== from.destination) throw wrong("grant is for another secret");
  if (asked.purpose !== Purpose.UPLOAD) throw wrong("grant is not for a put");
  if (asked.expect !== from.expect || asked.expectVersion !== from.expectVersion) throw wrong("grant expects something else than the copy");
  if (asked.keepLabels !== from.keepLabels || asked.keepExpiresOn !== from.keepExpiresOn) throw wrong("grant keeps other notes than the copy asked for");
  if (asked.labels.length > 0 || asked.expiresOn !== "" || asked.options.case !== undefined) throw wrong("grant has more than the copy asked for");
  if ([asked, there].some((one) => one.changeSha256.length > 0 || one.breakGlass !== "")) throw wrong("grant or receipt is for a change of its own");
  if (!equal(there.grantSha256, put.sha256)) throw wrong("receipt is for another grant");
  if ((there.signer !== "") !== put.message.signatureRequired) throw wrong("receipt does not say who signed, or names a signer of what takes none");
}
