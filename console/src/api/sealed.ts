/** What this page and the `monoctl` that served it alone can say to each other, whoever takes its port once it has ended.
 *
 * The exact bytes are described in src/monoskope/monoctl/console/serving/sealed.py, which is the other side. All keys are held by
 * the browser and cannot be read back, not even by this page.
 */

/** Bytes in memory of their own. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of a token, and of each key. */
const KEY_SIZE = 32;
const NUMBER_SIZE = 12;

/** The page's side before `begin` is answered: it knows the link's token. */
interface Beginning {
  /** What `begin` sends in place of the token. */
  name: string;
  /** Whether an answer to `begin` is from who made the token. */
  isProven: Check;
  /** The keys of the session, with the `key` from the answer to `begin`. Call it once. */
  begun(key: string): Promise<Channel>;
}

/** The page's side of a session. */
export interface Channel {
  /** Seal the body of a request. No two are alike, and each is accepted once. */
  seal(operation: string, body: Bytes): Promise<Bytes>;
  isProven: Check;
}

/** Whether `proof` says that this status and body are the answer to the request that had this nonce. */
export type Check = (operation: string, nonce: Bytes, status: number, body: Bytes, proof: string) => Promise<boolean>;

/** Make the keys from the token of the link. `null` if the text is no token. */
export async function beginningOf(token: string): Promise<Beginning | null> {
  const bytes = bytesOf(token);
  if (bytes?.length !== KEY_SIZE) return null;
  const secret = await held(bytes);
  const [name, answers] = await Promise.all([
    crypto.subtle.deriveBits(derivation("name of the token"), secret, KEY_SIZE * 8),
    answersKey(secret, "answer to begin"),
  ]);
  return {
    name: textOf(new Uint8Array(name)),
    isProven: checkWith(answers),
    async begun(key) {
      const both = new Uint8Array(2 * KEY_SIZE);
      both.set(bytes);
      both.set(bytesOf(key)?.subarray(0, KEY_SIZE) ?? [], KEY_SIZE);
      const session = await held(both);
      bytes.fill(0);
      both.fill(0);
      return channelOf(session);
    },
  };
}

/** Return a text in UTF-8. */
export function encoded(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** Return 16 random bytes for a request, which the proof of its answer covers. */
export function newNonce(): Bytes {
  return crypto.getRandomValues(new Uint8Array(16));
}

/** Return bytes in base64url, without padding. */
export function textOf(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function channelOf(session: CryptoKey): Promise<Channel> {
  const [bodies, answers] = await Promise.all([
    crypto.subtle.deriveKey(derivation("bodies"), session, { name: "AES-GCM", length: KEY_SIZE * 8 }, false, ["encrypt"]),
    answersKey(session, "answers"),
  ]);
  let last = 0;
  return {
    async seal(operation, body) {
      const number = new Uint8Array(NUMBER_SIZE);
      last += 1;
      new DataView(number.buffer).setBigUint64(NUMBER_SIZE - 8, BigInt(last));
      const additionalData = encoded(`monoctl console\0${operation}`);
      const ciphertext = await crypto.subtle.encrypt({ name: "AES-GCM", iv: number, additionalData }, bodies, body);
      const sealed = new Uint8Array(NUMBER_SIZE + ciphertext.byteLength);
      sealed.set(number);
      sealed.set(new Uint8Array(ciphertext), NUMBER_SIZE);
      return sealed;
    },
    isProven: checkWith(answers),
  };
}

function checkWith(answers: CryptoKey): Check {
  return async (operation, nonce, status, body, proof) => {
    const begins = encoded(`${operation}\0`);
    const covered = new Uint8Array(begins.length + nonce.length + 2 + body.length);
    covered.set(begins);
    covered.set(nonce, begins.length);
    new DataView(covered.buffer).setUint16(begins.length + nonce.length, status);
    covered.set(body, begins.length + nonce.length + 2);
    const tag = bytesOf(proof);
    return tag !== null && (await crypto.subtle.verify("HMAC", answers, tag, covered));
  };
}

function held(secret: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits", "deriveKey"]);
}

function answersKey(secret: CryptoKey, purpose: string): Promise<CryptoKey> {
  const kind = { name: "HMAC", hash: "SHA-256", length: KEY_SIZE * 8 };
  return crypto.subtle.deriveKey(derivation(purpose), secret, kind, false, ["verify"]);
}

function derivation(purpose: string): HkdfParams {
  return { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoded(`monoctl console: ${purpose}`) };
}

function bytesOf(text: string): Bytes | null {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
