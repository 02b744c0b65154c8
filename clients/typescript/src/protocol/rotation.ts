// How a store's identity moves on: each step is signed by the old key and by the new one (docs/protocol.md, Rotation).
import { IdentityRotationSchema, type SignedRotation } from "../messages/secrets/v1/identity_pb.ts";
import { equal } from "./bytes.ts";
import { MalformedError, ProofError } from "./errors.ts";
import { shown, verify } from "./identity.ts";
import { IDENTITY_ROTATION } from "./labels.ts";
import { isStoreName } from "./uri.ts";
import { parse } from "./wire.ts";

/** The most steps that are followed from a pin. */
export const MAX_STEPS = 64;

interface Step {
  readonly old: string;
  readonly next: string;
}

/**
 * The identities that follow `pin`, oldest first; none if no step leads on from it.
 *
 * Steps before the first that begins at the pin must verify, too, so that no later step leads back to one of them.
 * Throws `ProofError`, or `MalformedError` for a step that is not well formed.
 */
export async function follow(pin: string, rotations: readonly SignedRotation[], store: string): Promise<string[]> {
  const before = new Set<string>();
  const chain: string[] = [];
  for (const signed of rotations) {
    const step = await open(signed, store);
    if (chain.length === 0 && step.old !== pin) {
      before.add(step.old);
      continue;
    }
    if (step.old !== (chain.at(-1) ?? pin)) throw new ProofError("CHAIN", "the identity rotations do not form a chain.");
    if (step.next === pin || chain.includes(step.next)) {
      throw new ProofError("BACK", "an identity rotation leads back to an earlier identity.");
    }
    chain.push(step.next);
    if (chain.length > MAX_STEPS) throw new ProofError("STEPS", `more than ${MAX_STEPS} identity rotations follow the pin.`);
  }
  if (chain.some((identity) => before.has(identity))) {
    throw new ProofError("BACK", "an identity rotation leads back to an earlier identity.");
  }
  return chain;
}

async function open(signed: SignedRotation, store: string): Promise<Step> {
  const message = parse(IdentityRotationSchema, signed.content);
  const malformed = (field: string, rule: string) => new MalformedError("IdentityRotation", field, rule);
  if (!isStoreName(message.store)) throw malformed("store", "is not a store's name");
  if (equal(message.oldKey, message.newKey)) throw malformed("new_key", "must differ from old_key");
  if (message.oldKey.length !== 32) throw malformed("old_key", "must have 32 bytes");
  if (message.newKey.length !== 32) throw malformed("new_key", "must have 32 bytes");
  if (message.logRoot.length !== (message.logSize === 0n ? 0 : 32)) {
    throw malformed("log_root", "must have 32 bytes beside a size, and none without");
  }
  if (message.previousSha256.length !== 0 && message.previousSha256.length !== 32) {
    throw malformed("previous_sha256", "must have 32 bytes, or none");
  }
  await verify(message.oldKey, IDENTITY_ROTATION, signed.content, signed.oldSignature);
  await verify(message.newKey, IDENTITY_ROTATION, signed.content, signed.newSignature);
  if (message.store !== store) throw new ProofError("STORE", "an identity rotation is for another store.");
  return { old: await shown(message.oldKey), next: await shown(message.newKey) };
}
