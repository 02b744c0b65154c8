// The client's side of The walk: ask, verify, seal once, send, believe only a receipt (docs/protocol.md).
import { type GetSecretUploadKeyResponse } from "../messages/gateway/v1/queries_pb.ts";
import { type SecretUpload, UploadState } from "../messages/gateway/v1/views_pb.ts";
import { Purpose, Reason, type Signed } from "../messages/secrets/v1/upload_pb.ts";
import { type Bytes, hex } from "../protocol/bytes.ts";
import { MonoskopeError, ProofError, UsageError } from "../protocol/errors.ts";
import { type Grant, openGrant } from "../protocol/grant.ts";
import { shown } from "../protocol/identity.ts";
import { openReceipt } from "../protocol/receipt.ts";
import type { Request } from "../protocol/request.ts";
import { nothingSealed, seal, type Sealed } from "../protocol/seal.ts";
import { MAX_SIGNATURE, type Signer, statement } from "../protocol/signing.ts";
import { call, type Door, printable } from "./connect.ts";
import { type End, endOf, Unknown } from "./ends.ts";
import { NoKeyError } from "./errors.ts";
import { GET_KEY, GET_UPLOAD, REQUEST_KEY, REQUEST_UPLOAD } from "./methods.ts";
import { Patience } from "./patience.ts";
import type { Pin } from "./pins.ts";
import { subjectOf } from "./token.ts";

/** What one request walks with. */
export interface Walker {
  readonly door: Door;
  readonly pin: Pin;
  readonly signer: Signer | null;
  readonly patience: Patience;
}

interface Sent {
  readonly request: Request;
  readonly grant: Grant;
  readonly sealed: Sealed;
  readonly signature: Uint8Array;
  /** The key that signed the request, "" if nobody did. */
  readonly signerKey: string;
  readonly until: Date;
}

/**
 * Walks one request to its end, and overwrites `plaintext`.
 *
 * What it throws, it throws before anything was sent. From then on it returns, whatever happens.
 *
 * @param plaintext From `encode`; null where nothing is sealed.
 */
export async function walk(walker: Walker, request: Request, plaintext: Bytes | null): Promise<End> {
  let sent: Sent;
  try {
    sent = await prepared(walker, request, plaintext);
  } finally {
    plaintext?.fill(0);
  }
  const unknown = (why: string) => new Unknown(hex(request.message.requestId), sent.until, why);
  try {
    return await ended(walker, sent);
  } catch (error) {
    if (error instanceof ProofError) return unknown(`what came as its receipt proves nothing: ${error.message}`);
    if (error instanceof MonoskopeError) return unknown(`after the sealed secret was sent: ${error.message}`);
    // What was sent may be written, whatever defect of ours there is. Its text may be about anything: it is not shown.
    return unknown("after the sealed secret was sent: a defect of this client");
  }
}

async function prepared(walker: Walker, request: Request, plaintext: Bytes | null): Promise<Sent> {
  const grant = await granted(walker, request);
  const until = new Date(Date.now() + grant.message.lifetimeS * 1_000);
  const { maxPlaintext, signatureRequired, approvals } = grant.message;
  if (approvals > 0) throw new UsageError(othersMustApprove(request, approvals));
  if ((plaintext?.length ?? 0) > maxPlaintext) {
    throw new UsageError(`the padded secret has ${plaintext?.length} bytes; the store takes ${maxPlaintext}. Nothing was sent.`);
  }
  if (signatureRequired && walker.signer === null) {
    throw new UsageError("the store takes this as a signed request alone, and no signer is given. Nothing was sent.");
  }
  const sealed = plaintext === null ? await nothingSealed() : await seal(plaintext, grant);
  const signed = { request, grant, sealed, until };
  if (!signatureRequired || walker.signer === null) return { ...signed, signature: new Uint8Array(), signerKey: "" };
  const signature = await walker.signer.sign(statement(grant.sha256, sealed.sha256));
  if (signature.length < 1 || signature.length > MAX_SIGNATURE) throw new UsageError(`a signature has 1 to ${MAX_SIGNATURE} bytes.`);
  if (new Date() >= until) throw new MonoskopeError("TIMED_OUT", "the request was signed only when the one-time key had ended. Nothing was sent.");
  return { ...signed, signature, signerKey: walker.signer.key };
}

/** Nobody can approve what this client asks: it names no change. The number is the highest that the store asks of anybody here. */
function othersMustApprove({ message, uri }: Request, approvals: number): string {
  const command = `monoctl ${message.purpose === Purpose.PATCH ? "patch" : "put"} secret ${uri} --propose`;
  return `the store asks for up to ${approvals} approvals of others here, and this client proposes no changes. Propose it with \`${command}\`. Nothing was sent.`;
}

async function granted({ door, pin, patience }: Walker, request: Request): Promise<Grant> {
  const { requestId } = request.message;
  const ask = { request: request.content, wait: true };
  let answer = (await patience.resend((ms) => call(door, REQUEST_KEY, ask, ms))).key;
  while (answer === undefined || !isDecided(answer)) {
    await patience.pause();
    answer = await patience.resend((ms) => call(door, GET_KEY, { requestId }, ms));
  }
  if (answer.grant === undefined) throw new NoKeyError(Reason[answer.reason] ?? "UNKNOWN", printable(answer.detail), answer.retryAfterS);
  await pin.follow(answer.rotations);
  return openGrant(answer.grant, pin.identity, request.content, subjectOf(await door.token()));
}

/** Whether there is a key, or will be none. An end without a key counts before a grant that came too late. */
function isDecided(answer: GetSecretUploadKeyResponse): boolean {
  return answer.grant !== undefined || answer.state === UploadState.ENDED;
}

async function ended(walker: Walker, sent: Sent): Promise<End> {
  const unknown = (why: string, receipt: Unknown["receipt"] = null) => new Unknown(hex(sent.request.message.requestId), sent.until, why, receipt);
  const upload = await untilEnded(walker, sent);
  if (upload.receipt === undefined) return unknown(`m8 says that it ended (${Reason[upload.reason] ?? "?"}), but shows no receipt for it`);
  const identity = await identityFor(walker, sent, upload.receipt);
  const receipt = await openReceipt(upload.receipt, identity, sent.grant, sent.sealed.sha256);
  const { signerKey } = receipt.message;
  if (signerKey !== "" && signerKey !== sent.signerKey) {
    return unknown(`the receipt names ${signerKey} as the key that signed, and not yours`);
  }
  return endOf(receipt, unknown) ?? unknown("the receipt says that writing began, not how it ended");
}

async function untilEnded({ door, patience }: Walker, sent: Sent): Promise<SecretUpload> {
  const { requestId } = sent.request.message;
  const { encapsulatedKey, ciphertext } = sent.sealed;
  const send = { requestId, encapsulatedKey, ciphertext, requestSignature: sent.signature };
  let upload = (await patience.resend((ms) => call(door, REQUEST_UPLOAD, send, ms))).upload;
  while (upload === undefined || upload.state !== UploadState.ENDED) {
    await patience.pause();
    upload = (await patience.resend((ms) => call(door, GET_UPLOAD, { requestId, wait: true }, ms))).upload;
  }
  return upload;
}

/** The identity under which a receipt must verify: the pin, or the one that follows from it by now. */
async function identityFor({ door, pin, patience }: Walker, sent: Sent, signed: Signed): Promise<string> {
  if ((await shown(signed.identityKey)) !== pin.identity) {
    const { requestId } = sent.request.message;
    const { rotations } = await patience.resend((ms) => call(door, GET_UPLOAD, { requestId }, ms));
    await pin.follow(rotations);
  }
  return pin.identity;
}
