// The grant: a key that exists for one request alone, signed by the reactor that made it (docs/protocol.md, step 3).
import { type Signed, type UploadGrant, UploadGrantSchema } from "../messages/secrets/v1/upload_pb.ts";
import { type Bytes, characters, equal, sha256 } from "./bytes.ts";
import { MalformedError, ProofError } from "./errors.ts";
import { openSigned } from "./identity.ts";
import { UPLOAD_GRANT } from "./labels.ts";
import { isPaddedSize } from "./payload.ts";
import { parseRequest, type Request, SUITE_1 } from "./request.ts";
import { parse } from "./wire.ts";

export const PUBLIC_KEY_BYTES = 1_216;
const KEY_ID = /^[0-9a-f]{16}$/;

/** A well-formed grant with its serialised bytes. */
export interface Grant {
  readonly content: Bytes;
  /** SHA-256 of the bytes: what receipts refer to. */
  readonly sha256: Bytes;
  readonly message: UploadGrant;
  readonly request: Request;
}

/** Parses the bytes of an UploadGrant. Throws `MalformedError`. */
export async function parseGrant(content: Uint8Array): Promise<Grant> {
  const message = parse(UploadGrantSchema, content);
  const request = parseRequest(message.request);
  const rules: [field: string, holds: boolean, rule: string][] = [
    ["subject", message.subject !== "" && characters(message.subject) <= 256, "must have 1 to 256 characters"],
    ["suite", message.suite === SUITE_1 && request.message.suites.includes(SUITE_1), "must be 1, and one that the request names"],
    ["public_key", message.publicKey.length === PUBLIC_KEY_BYTES, "must have 1,216 bytes"],
    ["replica", message.replica.length === 16, "must have 16 bytes"],
    ["lifetime_s", message.lifetimeS >= 30 && message.lifetimeS <= 3_600, "must be 30 to 3,600"],
    ["max_plaintext", isPaddedSize(message.maxPlaintext), "must be 512, 1,024, … 1,048,576"],
    ["approvals", message.approvals <= 8, "must be at most 8"],
    ["approvals", message.approvals === 0 || (message.signatureRequired && request.rules.writes), "must be absent where nothing is signed, or nothing written"],
    ["fingerprint_key_id", KEY_ID.test(message.fingerprintKeyId), "must be 16 hex digits"],
  ];
  for (const [field, holds, rule] of rules) {
    if (!holds) throw new MalformedError("UploadGrant", field, rule);
  }
  return { content: new Uint8Array(content), sha256: await sha256(content), message, request };
}

/**
 * Verifies and parses a signed grant: every check of step 3. Throws `ProofError`: nothing may be sealed.
 *
 * @param identity The store's identity, as it is shown.
 * @param request The bytes of the request that it must answer.
 * @param subject Whom it must name; null if the credential names nobody.
 */
export async function openGrant(signed: Signed, identity: string, request: Uint8Array, subject: string | null): Promise<Grant> {
  const grant = await wellFormed("grant", parseGrant(await openSigned(signed, UPLOAD_GRANT, identity)));
  if (!equal(grant.request.content, request)) throw new ProofError("REQUEST", "the grant is for another request.");
  if (subject !== null && grant.message.subject !== subject) throw new ProofError("SUBJECT", "the grant is for another user.");
  return grant;
}

/** What was signed although it is malformed proves nothing: throws `ProofError` for `MalformedError`. */
export async function wellFormed<T>(what: string, parsed: Promise<T>): Promise<T> {
  try {
    return await parsed;
  } catch (error) {
    if (error instanceof MalformedError) throw new MalformedProofError(what, error);
    throw error;
  }
}

/** A message that the identity signed, and that is malformed. */
export class MalformedProofError extends ProofError {
  /** The field that breaks its rule. */
  readonly field: string;

  constructor(what: string, cause: MalformedError) {
    super("MALFORMED", `the ${what} is signed but malformed: ${cause.message}`);
    this.field = cause.field;
  }
}
