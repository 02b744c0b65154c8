// Every vector of every message (docs/protocol.md, Vectors), and those of tests/vectors.json and tests/vectors-signed.json
// that are about what a client does. VECTORS names the folder that they are in.
import * as assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { ReactorHelloSchema, SignedRotationSchema } from "../src/messages/secrets/v1/identity_pb.ts";
import { ReceiptSchema, type Signed, SignedSchema, UploadGrantSchema, UploadRequestSchema } from "../src/messages/secrets/v1/upload_pb.ts";
import { Done, endOf, Failed, Unknown } from "../src/client/ends.ts";
import { base64, type Bytes, hex } from "../src/protocol/bytes.ts";
import { putRequestId } from "../src/protocol/copied.ts";
import { MalformedError, ProofError, UsageError } from "../src/protocol/errors.ts";
import { MalformedProofError, openGrant, parseGrant } from "../src/protocol/grant.ts";
import { shown } from "../src/protocol/identity.ts";
import { encode } from "../src/protocol/payload.ts";
import { openReceipt, parseReceipt, sealedDigest } from "../src/protocol/receipt.ts";
import { parseRequest } from "../src/protocol/request.ts";
import { follow } from "../src/protocol/rotation.ts";
import { seal, suiteOf } from "../src/protocol/seal.ts";
import { ed25519Signer, statement } from "../src/protocol/signing.ts";
import { SecretUri } from "../src/protocol/uri.ts";
import { parse } from "../src/protocol/wire.ts";
import { decode, hashes, open, openHello, OtherFault } from "./other_half.ts";

// biome-ignore lint: the files say what is in them
type Vector = any;

const read = (name: string): Vector => JSON.parse(readFileSync(`${process.env["VECTORS"]}/${name}`, "utf8"));
const vectors = read("vectors-messages.json");
const earlier = read("vectors.json");
const suite = suiteOf("noble");

function bytes(digits: string): Bytes {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function bytes64(text: string): Bytes {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function signed({ content, signature, identity_key }: Vector): Signed {
  return create(SignedSchema, { content: bytes(content), signature: bytes(signature), identityKey: bytes(identity_key) });
}

function says<D extends DescMessage>(schema: D, message: MessageShape<D>): Vector {
  return { says: toJson(schema, message) };
}

function valuesOf(texts: Record<string, string>): Record<string, Bytes> {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, bytes64(text)]));
}

function faultOf(error: unknown): Vector {
  if (error instanceof MalformedProofError || error instanceof MalformedError) return { fault: "MALFORMED", field: error.field };
  if (error instanceof ProofError || error instanceof OtherFault) return { fault: error.fault };
  if (error instanceof UsageError) return { fault: "URI" };
  throw error;
}

const sections: Record<string, (vector: Vector) => Promise<Vector>> = {
  async uris({ uri }) {
    const { store, path } = SecretUri.parse(uri);
    return { store, path };
  },
  async requests({ content }) {
    return says(UploadRequestSchema, parseRequest(bytes(content)).message);
  },
  async grants(vector) {
    const grant = await openGrant(signed(vector.signed), vector.identity, bytes(vector.request), vector.subject);
    return says(UploadGrantSchema, grant.message);
  },
  async hellos(vector) {
    return says(ReactorHelloSchema, await openHello(signed(vector.signed), vector.identity, bytes(vector.challenge), vector.servers));
  },
  async rotations({ pin, steps, store }) {
    const shownSteps = steps.map((name: string) => {
      const { content, old_signature, new_signature } = vectors.steps[name];
      return create(SignedRotationSchema, { content: bytes(content), oldSignature: bytes(old_signature), newSignature: bytes(new_signature) });
    });
    return { identity: (await follow(pin, shownSteps, store)).at(-1) ?? pin };
  },
  async plaintexts({ plaintext }) {
    const values = decode(bytes(plaintext));
    return { values: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, base64(value)])) };
  },
  async sealed(vector) {
    const [encapsulatedKey, ciphertext] = [bytes(vector.encapsulated_key), bytes(vector.ciphertext)];
    assert.equal(hex(await sealedDigest(encapsulatedKey, ciphertext)), vector.sealed_sha256);
    return { plaintext: hex(await open(suite, bytes(vector.private_key), bytes(vector.grant), encapsulatedKey, ciphertext)) };
  },
  async hashes({ fingerprint_key, values }) {
    return hashes(bytes(fingerprint_key), valuesOf(values));
  },
  async signed_requests(vector) {
    const said = statement(bytes(vector.grant_sha256), bytes(vector.sealed_sha256));
    const signer = await ed25519Signer(await keyPair(bytes(vector.private_key)));
    return { statement: hex(said), signature: hex(await signer.sign(said)), signer_key: signer.key };
  },
  async receipts(vector) {
    const grant = await parseGrant(bytes(vectors.receipt_grants[vector.grant]));
    const receipt = await openReceipt(signed(vector.signed), vector.identity, grant, bytes(vector.sealed_sha256));
    const end = endOf(receipt, (why) => new Unknown("", new Date(), why));
    const proves = end === null ? "NO_END" : end instanceof Done ? "SUCCESS" : end instanceof Failed ? "FAILURE" : "NOTHING";
    return { proves, ...says(ReceiptSchema, receipt.message) };
  },
};

async function keyPair(seed: Bytes): Promise<CryptoKeyPair> {
  const pkcs8 = Uint8Array.from([...bytes("302e020100300506032b657004220420"), ...seed]);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", x: x ?? "" }, "Ed25519", true, ["verify"]);
  return { privateKey, publicKey };
}

for (const [section, check] of Object.entries(sections)) {
  test(section, async () => {
    assert.ok(vectors[section].length > 1);
    for (const vector of vectors[section]) {
      const found = await check(vector).catch(faultOf);
      assert.deepEqual(found, vector.expected, `${section}: ${vector.name ?? vector.uri}`);
    }
  });
}

test("what no reactor would open is not sealed", () => {
  for (const { name, sizes } of vectors.unsealable) {
    const values = Object.fromEntries(Object.entries(sizes as Record<string, number>).map(([key, size]) => [key, new Uint8Array(size)]));
    assert.throws(() => encode(values), (error) => error instanceof UsageError && name !== "");
  }
});

test("what is sealed here opens with the key of the vectors, and its plaintext is overwritten", async () => {
  for (const { private_key, grant, expected } of vectors.sealed.slice(0, 7)) {
    const plaintext = bytes(expected.plaintext);
    const made = await seal(plaintext, await parseGrant(bytes(grant)));
    assert.ok(plaintext.every((byte) => byte === 0));
    assert.equal(hex(await open(suite, bytes(private_key), bytes(grant), made.encapsulatedKey, made.ciphertext)), expected.plaintext);
    assert.equal(hex(made.sha256), hex(await sealedDigest(made.encapsulatedKey, made.ciphertext)));
  }
});

test("nothing is sealed for a key that is none, and the plaintext is overwritten all the same", async () => {
  assert.ok(vectors.public_keys.length > 1);
  for (const { grant } of vectors.public_keys) {
    const plaintext = new Uint8Array(512).fill(65);
    await assert.rejects(seal(plaintext, await parseGrant(bytes(grant))), (error) => error instanceof ProofError && error.fault === "PUBLIC_KEY");
    assert.ok(plaintext.every((byte) => byte === 0));
  }
});

test("tests/vectors.json", async () => {
  for (const vector of earlier.fingerprints) {
    const values = valuesOf(vector.secret);
    const plaintext = new TextDecoder().decode(encode(values));
    assert.deepEqual([plaintext.trimEnd(), plaintext.length], [vector.plaintext_without_padding, vector.padded_size]);
    const found = await hashes(bytes(earlier.key_K), values);
    assert.deepEqual(found, { values: vector.values, whole: vector.whole });
  }
  for (const uri of earlier.bad_uris) assert.throws(() => SecretUri.parse(uri), (error) => error instanceof UsageError);
  for (const { receipt, malformed } of earlier.receipts) assert.equal(fieldOf(() => parseReceipt(bytes(receipt))), malformed);
  for (const { request, malformed } of earlier.requests) assert.equal(fieldOf(() => parseRequest(bytes(request))), malformed);
  for (const text of earlier.bad_plaintexts) {
    assert.throws(() => decode(new TextEncoder().encode(text.padEnd(512))), (error) => error instanceof OtherFault);
  }
  assert.equal(hex(await putRequestId(bytes(earlier.copy_request.copy_request_id))), earlier.copy_request.put_request_id);
  assert.equal(await shown(bytes(earlier.identity_fingerprint.public_key)), earlier.identity_fingerprint.shown);
});

test("the statements and keys of tests/vectors-signed.json", async () => {
  const [vector] = read("vectors-signed.json").vectors.filter(({ name }: Vector) => name === "ed25519");
  assert.equal(hex(statement(bytes(vector.grant_sha256), bytes(vector.sealed_sha256))), vector.statement);
  const wire = bytes64(vector.allowed_signers.split(" ")[2].trim());
  assert.equal(await shown(wire), vector.expected.signer_key);
});

function fieldOf(parsed: () => unknown): string {
  try {
    parsed();
    return "";
  } catch (error) {
    if (error instanceof MalformedError) return error.field;
    throw error;
  }
}

test("a message inside a message has one form, too", () => {
  const content = (inner: string) => bytes(`9a01${(inner.length / 2).toString(16).padStart(2, "0")}${inner}`);
  const taken = (given: Bytes) => fieldOf(() => parse(ReceiptSchema, given)) === "";
  assert.ok(taken(content("0a01611001")));
  const others = {
    "fields out of their order": content("10010a0161"),
    "an unknown field": content("0a01611001f80101"),
    "a field twice": content("0a016110011001"),
    "a default that is written": content("0a01611000"),
    "a number with a byte more": content("0a0161108100"),
    "a number of more than 32 bits": content("0a0161108180808010"),
    "a text with a surrogate": content("0a03eda0801001"),
    "in two parts": Uint8Array.from([...content("0a0161"), ...content("1001")]),
    "a group": bytes("9b019c01"),
  };
  assert.deepEqual(Object.entries(others).filter(([, given]) => taken(given)).map(([name]) => name), []);
});
