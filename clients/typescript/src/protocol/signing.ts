// Signed requests: what is signed, and OpenSSH's container for it (docs/signed-requests.md, docs/signatures.md).
import { type Bytes, concat, u32, utf8 } from "./bytes.ts";
import { shown } from "./identity.ts";
import { labelled, SIGNED_REQUEST } from "./labels.ts";

const NAMESPACE = "request@monoskope";
const HASH = "sha512";
const KIND = "ssh-ed25519";
/** The most bytes of a signature. */
export const MAX_SIGNATURE = 8_192;

/** Who signs a request. */
export interface Signer {
  /** The key as OpenSSH shows it, `SHA256:…`; of a certificate the key in it. A receipt must name it. */
  readonly key: string;
  /** Signs a statement: returns an SSHSIG without armour, of the namespace `request@monoskope` and the hash `sha512`. */
  sign(statement: Bytes): Promise<Uint8Array>;
}

/** What is signed: it fits one request, one one-time key and one content. Both digests have 32 bytes. */
export function statement(grantSha256: Uint8Array, sealedSha256: Uint8Array): Bytes {
  return labelled(SIGNED_REQUEST, grantSha256, sealedSha256);
}

/** A signer with a WebCrypto key pair of Ed25519; the private key need not be extractable. */
export async function ed25519Signer({ publicKey, privateKey }: CryptoKeyPair): Promise<Signer> {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const wire = concat(field(utf8(KIND)), field(raw));
  const sign = async (content: Uint8Array): Promise<Bytes> => new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, new Uint8Array(content)));
  return { key: await shown(wire), sign: (what) => container(wire, what, sign) };
}

/** The line of an OpenSSH list or of a file `….pub` for an Ed25519 key, without a comment. */
export async function publicKeyLine(publicKey: CryptoKey): Promise<string> {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  return `${KIND} ${btoa(String.fromCharCode(...concat(field(utf8(KIND)), field(raw))))}`;
}

async function container(key: Bytes, what: Uint8Array, sign: (content: Uint8Array) => Promise<Bytes>): Promise<Bytes> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", new Uint8Array(what)));
  const [namespace, reserved, hash] = [field(utf8(NAMESPACE)), field(new Uint8Array()), field(utf8(HASH))];
  const signature = await sign(concat(utf8("SSHSIG"), namespace, reserved, hash, field(digest)));
  const made = field(concat(field(utf8(KIND)), field(signature)));
  return concat(utf8("SSHSIG"), u32(1), field(key), namespace, reserved, hash, made);
}

/** SSH's `string`: a length of 4 bytes, and as many bytes. */
function field(content: Uint8Array): Bytes {
  return concat(u32(content.length), content);
}
