// What tests/e2e/test_typescript_client.py runs in Node and in Chromium: puts through a real m8, and lies of the way there.
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { RequestSecretUploadKeyResponseSchema, RequestUploadSecretResponseSchema } from "../src/messages/gateway/v1/commands_pb.ts";
import { type Signed, SignedSchema, UploadGrantSchema } from "../src/messages/secrets/v1/upload_pb.ts";
import { Client, Done, ed25519Signer, type End, FixedPins, MonoskopeError, ProofError, type Signer, sourceHere } from "../src/index.ts";
import { type Bytes, utf8 } from "../src/protocol/bytes.ts";
import { labelled, RECEIPT, UPLOAD_GRANT } from "../src/protocol/labels.ts";
import { parse } from "../src/protocol/wire.ts";

export interface Given {
  readonly server: string;
  readonly token: string;
  readonly store: string;
  readonly identity: string;
  /** Below which everything is put: `vault://team-1`. */
  readonly prefix: string;
  readonly value: string;
  /** An Ed25519 key, PKCS #8 in base64, for a store that takes signed requests alone. */
  readonly signingKey?: string;
}

type Told = Record<string, string>;
type Lie = (path: string, answer: Bytes) => Promise<Bytes>;

/** Puts, patches and compares, as an honest m8 lets it. */
export async function honest(given: Given): Promise<Record<string, unknown>> {
  const signer = given.signingKey === undefined ? undefined : await signerOf(given.signingKey);
  const client = clientOf(given, { ...(signer === undefined ? {} : { signer }) });
  const value = utf8(given.value);
  const uri = `${given.prefix}/put`;
  const found = {
    source: await sourceHere(),
    shown: await client.identityShown(given.store),
    put: told(await client.put(uri, { password: value, user: utf8("anna") }, { labels: { team: "a" } })),
    again: told(await client.put(uri, { user: utf8("anna"), password: value })),
    equal: told(await client.compare(uri, { password: value, user: utf8("anna") })),
    different: told(await client.compare(uri, { password: utf8("another"), user: utf8("anna") })),
    absent: told(await client.put(uri, { password: value }, { expect: "ABSENT" })),
  };
  return { ...found, kept: new TextDecoder().decode(value) };
}

/** Sets one value, removes another. */
export async function patched(given: Given): Promise<Record<string, unknown>> {
  const client = clientOf(given, {});
  const uri = `${given.prefix}/patched`;
  return {
    put: told(await client.put(uri, { password: utf8(given.value), user: utf8("anna") })),
    set: told(await client.patch(uri, { password: utf8("patched") })),
    removed: told(await client.patch(uri, {}, { removeKeys: ["user"] })),
  };
}

/** One put without a signer, where one is needed. */
export async function unsigned(given: Given): Promise<Record<string, unknown>> {
  const calls: string[] = [];
  const client = clientOf(given, { fetch: lying(calls, async (_, answer) => answer) });
  return { ended: await attempt(client, `${given.prefix}/unsigned`, given.value), sent: calls.some(isSending) };
}

/** One put for each lie; `sent` says whether the sealed secret left. */
export async function lied(given: Given): Promise<Record<string, { readonly ended: Told; readonly sent: boolean }>> {
  const liar = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const earlier = await receiptOf(given);
  const lies: Record<string, Lie> = {
    "another key in the grant": grants(async (signed) => ({ ...signed, content: anotherKey(signed.content) })),
    "another key in the grant, signed by a stranger": grants((signed) => signedBy(liar, UPLOAD_GRANT, anotherKey(signed.content))),
    "the grant of a stranger under the store's identity": grants(async (signed) => ({ ...(await signedBy(liar, UPLOAD_GRANT, signed.content)), identityKey: signed.identityKey })),
    "a swapped identity in the grant": grants((signed) => signedBy(liar, UPLOAD_GRANT, signed.content)),
    "a receipt of another upload": receipts(async () => earlier),
    "a swapped identity in the receipt": receipts((signed) => signedBy(liar, RECEIPT, signed.content)),
    "another bit of the receipt": receipts(async (signed) => ({ ...signed, content: anotherBit(signed.content) })),
    "no receipt": receipts(async () => undefined),
  };
  const found: Record<string, { ended: Told; sent: boolean }> = {};
  for (const [name, lie] of Object.entries(lies)) {
    const calls: string[] = [];
    const client = clientOf(given, { fetch: lying(calls, lie) });
    const ended = await attempt(client, `${given.prefix}/lies`, given.value);
    found[name] = { ended, sent: calls.some(isSending) };
  }
  const stranger = clientOf({ ...given, identity: `SHA256:${"A".repeat(43)}` }, {});
  found["another identity is pinned"] = { ended: await attempt(stranger, `${given.prefix}/lies`, given.value), sent: false };
  return found;
}

function clientOf({ server, token, store, identity }: Given, more: { fetch?: typeof fetch; signer?: Signer }): Client {
  return new Client({ server, token, pins: new FixedPins({ [store]: identity }), timeoutMs: 40_000, ...more });
}

async function attempt(client: Client, uri: string, value: string): Promise<Told> {
  try {
    return told(await client.put(uri, { password: utf8(value) }, { expect: "OVERWRITE" }));
  } catch (error) {
    if (error instanceof ProofError) return { thrown: error.fault, message: error.message };
    if (error instanceof MonoskopeError) return { thrown: error.code, message: error.message };
    throw error;
  }
}

function told(end: End): Told {
  if (end instanceof Done) return { kind: end.kind, outcome: end.outcome, fingerprint: end.fingerprint, signerKey: end.receipt.message.signerKey };
  if (end.kind === "failed") return { kind: end.kind, reason: end.reason };
  return { kind: end.kind, why: end.why, until: end.until.toISOString(), requestId: end.requestId };
}

function isSending(path: string): boolean {
  return path.endsWith("/RequestUploadSecret");
}

/** A fetch that notes where calls go, and changes what comes back. */
function lying(calls: string[], lie: Lie): typeof fetch {
  return async (input, init) => {
    calls.push(String(input));
    const answer = await fetch(input, init);
    if (!answer.ok) return answer;
    const body = await lie(String(input), new Uint8Array(await answer.arrayBuffer()));
    return new Response(body, { status: answer.status, headers: { "Content-Type": "application/proto" } });
  };
}

type Swap = (signed: Signed) => Promise<Partial<Signed> | undefined>;

function grants(swap: Swap): Lie {
  return changed("/RequestSecretUploadKey", RequestSecretUploadKeyResponseSchema, async (message) => {
    if (message.key?.grant !== undefined) message.key.grant = await swapped(message.key.grant, swap);
  });
}

function receipts(swap: Swap): Lie {
  return changed("/RequestUploadSecret", RequestUploadSecretResponseSchema, async (message) => {
    if (message.upload?.receipt !== undefined) message.upload.receipt = await swapped(message.upload.receipt, swap);
  });
}

// biome-ignore lint: a field that may be undefined
async function swapped(signed: Signed, swap: Swap): Promise<any> {
  const parts = await swap(signed);
  return parts === undefined ? undefined : create(SignedSchema, { content: signed.content, signature: signed.signature, identityKey: signed.identityKey, ...parts });
}

function changed<D extends DescMessage>(method: string, schema: D, change: (message: MessageShape<D>) => Promise<void>): Lie {
  return async (path, answer) => {
    if (!path.endsWith(method)) return answer;
    const message = fromBinary(schema, answer);
    await change(message);
    return new Uint8Array(toBinary(schema, message));
  };
}

async function signedBy(liar: CryptoKeyPair, label: string, content: Uint8Array): Promise<Partial<Signed>> {
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", liar.privateKey, labelled(label, content)));
  return { content: new Uint8Array(content), signature, identityKey: new Uint8Array(await crypto.subtle.exportKey("raw", liar.publicKey)) };
}

/** The grant with a public key whose X25519 half the liar made. */
function anotherKey(content: Uint8Array): Bytes {
  const message = parse(UploadGrantSchema, content);
  message.publicKey.set(crypto.getRandomValues(new Uint8Array(32)), message.publicKey.length - 32);
  return new Uint8Array(toBinary(UploadGrantSchema, message));
}

function anotherBit(content: Uint8Array): Bytes {
  const other = new Uint8Array(content);
  other[10] = (other[10] ?? 0) ^ 1;
  return other;
}

async function receiptOf(given: Given): Promise<Signed> {
  const end = await clientOf(given, {}).put(`${given.prefix}/lies`, { password: utf8(given.value) });
  if (!(end instanceof Done)) throw new Error(`the put before the lies ended otherwise: ${JSON.stringify(told(end))}`);
  return end.receipt.signed;
}

async function signerOf(pkcs8: string): Promise<Signer> {
  const content = Uint8Array.from(atob(pkcs8), (character) => character.charCodeAt(0));
  const privateKey = await crypto.subtle.importKey("pkcs8", content, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", x: x ?? "" }, "Ed25519", true, ["verify"]);
  return ed25519Signer({ privateKey, publicKey });
}
