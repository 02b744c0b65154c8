// Identities and signatures: one Ed25519 key a store, shown as `SHA256:` and unpadded base64 (docs/protocol.md, Identities).
import type { Signed } from "../messages/secrets/v1/upload_pb.ts";
import { base64, type Bytes, sha256 } from "./bytes.ts";
import { ProofError, UsageError } from "./errors.ts";
import { labelled } from "./labels.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const SHOWN = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** How people see a public key: of a store's identity its 32 bytes, of a signing key its SSH wire form. */
export async function shown(publicKey: Uint8Array): Promise<string> {
  return `SHA256:${base64(await sha256(publicKey)).replace(/=+$/, "")}`;
}

/** Whether a text has the form in which identities and SSH keys are shown. */
export function isShown(text: string): boolean {
  return SHOWN.test(text);
}

/** The text, if it is a shown identity. Throws `UsageError`. */
export function checkShown(text: string): string {
  if (!isShown(text)) throw new UsageError("an identity is 'SHA256:' and 43 characters of base64.");
  return text;
}

/** Verifies one Ed25519 signature over a label, a zero byte and the content. Throws `ProofError`. */
export async function verify(publicKey: Uint8Array, label: string, content: Uint8Array, signature: Uint8Array): Promise<void> {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) {
    throw new ProofError("SIGNATURE", "an identity key does not have 32 bytes, or a signature does not have 64.");
  }
  let verified = false;
  try {
    const key = await crypto.subtle.importKey("raw", new Uint8Array(publicKey), "Ed25519", false, ["verify"]);
    verified = await crypto.subtle.verify("Ed25519", key, new Uint8Array(signature), labelled(label, content));
  } catch {
    // Bytes that are no key: the same as a signature that does not verify.
  }
  if (!verified) throw new ProofError("SIGNATURE", "a signature does not verify.");
}

/** The content of `signed`, its signature verified under the identity that is shown as `identity`. Throws `ProofError`. */
export async function openSigned(signed: Signed, label: string, identity: string): Promise<Bytes> {
  const signer = await shown(signed.identityKey);
  if (signer !== identity) {
    throw new ProofError("IDENTITY", `a message is signed by ${signer}, not by the store's identity ${identity}.`);
  }
  const content = new Uint8Array(signed.content);
  await verify(signed.identityKey, label, content, signed.signature);
  return content;
}
