// The only file that seals (docs/protocol.md, Suite 1 and The walk, step 4).
import { AEAD_ChaCha20Poly1305, CipherSuite, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from "hpke";
import { AEAD_ChaCha20Poly1305 as NobleAead, KEM_MLKEM768_X25519 as NobleKem } from "@panva/hpke-noble";
import type { Bytes } from "./bytes.ts";
import { ProofError } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { labelled, SEALED_SECRET } from "./labels.ts";
import { sealedDigest } from "./receipt.ts";

const ENCAPSULATED_KEY_BYTES = 1_120;
const TAG_BYTES = 16;
const ML_KEM_BYTES = 1_184;
const ML_KEM_Q = 3_329;

/** What goes over the wire instead of a secret. */
export interface Sealed {
  /** 1,120 bytes; none where nothing is sealed. */
  readonly encapsulatedKey: Bytes;
  /** As many bytes as the padded plaintext, and 16. */
  readonly ciphertext: Bytes;
  /** SHA-256 of both: what receipts refer to. */
  readonly sha256: Bytes;
}

/** Whose code seals: that of the runtime, or that of `@panva/hpke-noble`. */
export type SuiteSource = "native" | "noble";

const SUITES: Readonly<Record<SuiteSource, () => CipherSuite>> = {
  native: () => new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_ChaCha20Poly1305),
  noble: () => new CipherSuite(NobleKem, KDF_HKDF_SHA256, NobleAead),
};

/** Suite 1 from one source. It may not be usable in this runtime: `sourceHere` says which is. */
export function suiteOf(source: SuiteSource): CipherSuite {
  return SUITES[source]();
}

let here: Promise<SuiteSource> | undefined;

/** `native` if this runtime can do all of suite 1 by itself, else `noble`, as in Node 20. Found out once. */
export function sourceHere(): Promise<SuiteSource> {
  here ??= tried();
  return here;
}

async function tried(): Promise<SuiteSource> {
  try {
    const suite = suiteOf("native");
    const { publicKey } = await suite.GenerateKeyPair();
    await suite.Seal(publicKey as CryptoKey, new Uint8Array(1));
    return "native";
  } catch {
    return "noble";
  }
}

/**
 * Seals a padded plaintext under the key of a grant that has been verified. Call it once for one grant.
 *
 * The plaintext is overwritten with zeros, also if this throws. Throws `ProofError` if the grant's key is none.
 */
export async function seal(plaintext: Bytes, grant: Grant): Promise<Sealed> {
  const expected = plaintext.length + TAG_BYTES;
  try {
    const suite = suiteOf(await sourceHere());
    const key = await publicKeyOf(suite, grant);
    const info = labelled(SEALED_SECRET, grant.content);
    const { encapsulatedSecret, ciphertext } = await suite.Seal(key, plaintext, { info });
    if (encapsulatedSecret.length !== ENCAPSULATED_KEY_BYTES || ciphertext.length !== expected) {
      throw new TypeError("suite 1 gave bytes of other lengths than it must");
    }
    return await sealedOf(new Uint8Array(encapsulatedSecret), new Uint8Array(ciphertext));
  } catch (error) {
    if (error instanceof ProofError) throw error;
    throw new ProofError("PUBLIC_KEY", "nothing can be sealed for the reactor's public key.");
  } finally {
    plaintext.fill(0);
  }
}

/** What goes over the wire where nothing is sealed. */
export function nothingSealed(): Promise<Sealed> {
  return sealedOf(new Uint8Array(), new Uint8Array());
}

async function sealedOf(encapsulatedKey: Bytes, ciphertext: Bytes): Promise<Sealed> {
  return { encapsulatedKey, ciphertext, sha256: await sealedDigest(encapsulatedKey, ciphertext) };
}

async function publicKeyOf(suite: CipherSuite, grant: Grant) {
  const { publicKey } = grant.message;
  try {
    if (isEncapsulationKey(publicKey.subarray(0, ML_KEM_BYTES))) return await suite.DeserializePublicKey(publicKey);
  } catch {
    // The same as below.
  }
  throw new ProofError("PUBLIC_KEY", "the reactor's public key is not one.");
}

/** The check of FIPS 203, 7.2, which `@noble/post-quantum` 0.5 leaves out: each of 768 numbers of 12 bits is below 3,329. */
function isEncapsulationKey(key: Uint8Array): boolean {
  for (let at = 0; at < ML_KEM_BYTES - 32; at += 3) {
    const bits = (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16);
    if ((bits & 4_095) >= ML_KEM_Q || bits >>> 12 >= ML_KEM_Q) return false;
  }
  return true;
}
