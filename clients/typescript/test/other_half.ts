// What m8 and a reactor do, as far as the vectors speak of it. It is not in the package, which only seals.
import type { CipherSuite } from "hpke";
import { ReactorHelloSchema, type ReactorHello } from "../src/messages/secrets/v1/identity_pb.ts";
import type { Signed } from "../src/messages/secrets/v1/upload_pb.ts";
import { type Bytes, concat, equal, hex, u32, utf8 } from "../src/protocol/bytes.ts";
import { MalformedError } from "../src/protocol/errors.ts";
import { openSigned } from "../src/protocol/identity.ts";
import { labelled, SEALED_SECRET } from "../src/protocol/labels.ts";
import { encode } from "../src/protocol/payload.ts";
import { isStoreName } from "../src/protocol/uri.ts";
import { parse } from "../src/protocol/wire.ts";

/** A fault of a class that only m8 or a reactor can meet. */
export class OtherFault extends Error {
  readonly fault: string;

  constructor(fault: string) {
    super(fault);
    this.fault = fault;
  }
}

/** A login as m8 reads it. */
export async function openHello(signed: Signed, identity: string, challenge: Uint8Array, servers: readonly string[]): Promise<ReactorHello> {
  const hello = parse(ReactorHelloSchema, await openSigned(signed, "m8/reactor-hello/v1", identity));
  const rules: [string, boolean][] = [
    ["store", isStoreName(hello.store)],
    ["replica", hello.replica.length === 16],
    ["challenge", hello.challenge.length === 32],
    ["fingerprint_key_id", /^[0-9a-f]{16}$/.test(hello.fingerprintKeyId)],
  ];
  for (const [field, holds] of rules) if (!holds) throw new MalformedError("ReactorHello", field, "breaks its rule");
  if (!equal(hello.challenge, challenge)) throw new OtherFault("CHALLENGE");
  if (!servers.includes(hello.server)) throw new OtherFault("SERVER");
  return hello;
}

/** What was sealed for a grant, opened with the one-time key. */
export async function open(suite: CipherSuite, privateKey: Uint8Array, grant: Uint8Array, encapsulatedKey: Uint8Array, ciphertext: Uint8Array): Promise<Uint8Array> {
  try {
    const key = await suite.DeserializePrivateKey(privateKey, false);
    return await suite.Open(key, encapsulatedKey, ciphertext, { info: labelled(SEALED_SECRET, grant) });
  } catch {
    throw new OtherFault("OPEN");
  }
}

/** The values of a plaintext, if `encode` makes the same bytes of them. */
export function decode(plaintext: Uint8Array): Record<string, Uint8Array> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("ascii", { fatal: true }).decode(plaintext));
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new OtherFault("BAD_PAYLOAD");
    const values = Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, bytes64(value)]));
    if (equal(encode(values), plaintext)) return values;
  } catch {
    // The same answer for all.
  }
  throw new OtherFault("BAD_PAYLOAD");
}

function bytes64(text: unknown): Uint8Array {
  if (typeof text !== "string") throw new OtherFault("BAD_PAYLOAD");
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The hashes of a secret and of its values, under the fingerprint key K. */
export async function hashes(k: Bytes, values: Readonly<Record<string, Uint8Array>>): Promise<{ values: Record<string, string>; whole: string }> {
  const key = await crypto.subtle.importKey("raw", k, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = async (label: string, ...content: Uint8Array[]) => new Uint8Array(await crypto.subtle.sign("HMAC", key, labelled(label, ...content)));
  const keyId = hex((await mac("m8/fingerprint-key-id/v1")).slice(0, 8));
  const sized = (content: Uint8Array) => concat(u32(content.length), content);
  const shown: Record<string, string> = {};
  const parts: Uint8Array[] = [];
  for (const name of Object.keys(values).sort()) {
    const digest = await mac("m8/fingerprint-value/v1", sized(utf8(name)), sized(values[name] ?? new Uint8Array()));
    shown[name] = `fp1:${keyId}:${hex(digest)}`;
    parts.push(sized(utf8(name)), digest);
  }
  const whole = await mac("m8/fingerprint/v1", u32(Object.keys(values).length), ...parts);
  return { values: shown, whole: `fp1:${keyId}:${hex(whole)}` };
}
