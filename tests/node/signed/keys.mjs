// Keys, and what they sign: docs/signatures.md, "The container".

import { createHash, createPublicKey, verify as computes } from "node:crypto";

import { Fault, keep } from "./rules.mjs";
import { Reader, bits, bytes, string } from "./wire.mjs";

const CURVES = {
  nistp256: { jwk: "P-256", size: 32, bits: 256, hash: "sha256" },
  nistp384: { jwk: "P-384", size: 48, bits: 384, hash: "sha384" },
  nistp521: { jwk: "P-521", size: 66, bits: 521, hash: "sha512" },
};
const P = 2n ** 255n - 19n;
const OF_ORDER_8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL_ORDER = [0n, 1n, P - 1n, OF_ORDER_8, P - OF_ORDER_8];
const RSA_HASHES = { "rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512" };

export const KINDS = {
  "ssh-ed25519": {},
  "ecdsa-sha2-nistp256": { curve: "nistp256" },
  "ecdsa-sha2-nistp384": { curve: "nistp384" },
  "ecdsa-sha2-nistp521": { curve: "nistp521" },
  "ssh-rsa": { rsa: true },
  "sk-ssh-ed25519@openssh.com": { hardware: true },
  "sk-ecdsa-sha2-nistp256@openssh.com": { curve: "nistp256", hardware: true },
};
export const CERTIFIED = Object.fromEntries(Object.keys(KINDS).map((kind) => [`${kind.replace("@openssh.com", "")}-cert-v01@openssh.com`, kind]));

export const sha256 = (content) => createHash("sha256").update(content).digest();
export const shown = (key) => `SHA256:${sha256(key.blob).toString("base64").replace(/=+$/, "")}`;

/** Read the fields of a key behind the name of its kind. */
export function readKey(reader, name) {
  const kind = KINDS[name];
  const begin = reader.at;
  const key = { kind, algorithms: kind.rsa ? Object.keys(RSA_HASHES) : [name] };
  if (kind.curve) key.jwk = curvePoint(reader, kind.curve);
  else if (kind.rsa) Object.assign(key, rsa(reader));
  else {
    const point = reader.string();
    keep(point.length === 32, "point", "point: ed25519 of 32 bytes");
    const y = BigInt(`0x${Buffer.from(point).reverse().toString("hex") || 0}`) & (2n ** 255n - 1n);
    keep(y < P, "point", "point: ed25519 in its one form");
    for (const small of SMALL_ORDER) keep(y !== small, "point", `point: not of small order, ${small}`);
    key.jwk = { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") };
  }
  if (kind.hardware) {
    key.application = reader.string();
    keep(key.application.subarray(0, 4).equals(Buffer.from("ssh:")), "application", "application: ssh:");
    keep(
      key.application.every((one) => one >= 0x20 && one < 0x7f),
      "application",
      "application: printable",
    );
  }
  key.blob = Buffer.concat([string(name), reader.content.subarray(begin, reader.at)]);
  return key;
}

/** Read a whole key, which is no certificate. */
export function parseKey(blob) {
  const reader = new Reader(blob);
  const name = reader.name();
  if (!KINDS[name]) throw new Fault("key-type");
  const key = readKey(reader, name);
  reader.end("key");
  return key;
}

function curvePoint(reader, name) {
  keep(reader.name() === name, "key-type", "key-type: the kind's curve");
  const { jwk, size } = CURVES[name];
  const point = reader.string();
  if (point[0] !== 4) throw new Fault("point");
  keep(point.length === 1 + 2 * size, "point", "point: two coordinates");
  const found = { kty: "EC", crv: jwk, x: point.subarray(1, 1 + size).toString("base64url"), y: point.subarray(1 + size, 1 + 2 * size).toString("base64url") };
  keep(isUsable(found), "point", "point: on the curve");
  return found;
}

function isUsable(jwk) {
  try {
    return Boolean(createPublicKey({ key: jwk, format: "jwk" }));
  } catch {
    return false;
  }
}

function rsa(reader) {
  const exponent = reader.mpint();
  keep(exponent === 65537n, "rsa-exponent");
  const modulus = reader.mpint();
  keep(bits(modulus) >= 3072, "rsa-modulus", "rsa-modulus: not short");
  keep(bits(modulus) <= 8192, "rsa-modulus", "rsa-modulus: not long");
  keep(modulus & 1n, "rsa-modulus", "rsa-modulus: odd");
  const jwk = { kty: "RSA", n: bytes(modulus).toString("base64url"), e: bytes(exponent).toString("base64url") };
  return { jwk, size: Math.ceil(bits(modulus) / 8) };
}

/** Read a signature that `key` can have made. */
export function readSignature(blob, key) {
  const reader = new Reader(blob);
  const found = { algorithm: reader.name() };
  keep(key.algorithms.includes(found.algorithm), "algorithm");
  const body = reader.string();
  if (key.kind.curve) found.body = numbers(body, CURVES[key.kind.curve]);
  else {
    if (key.kind.rsa) keep(body.length === key.size, "rsa-length");
    else keep(body.length === 64, "signature-form", "signature-form: ed25519 of 64 bytes");
    found.body = body;
  }
  if (key.kind.hardware) {
    found.tail = reader.raw(5);
    keep(found.tail[0] & 1, "sk-no-touch");
  }
  reader.end("signature");
  return found;
}

function numbers(body, curve) {
  const reader = new Reader(body);
  const found = [reader.mpint(), reader.mpint()];
  reader.end("numbers");
  for (const number of found) {
    keep(number > 0n, "signature-form", "signature-form: positive");
    keep(bits(number) <= curve.bits, "signature-form", "signature-form: as long as the order");
  }
  return Buffer.concat(found.map((number) => bytes(number, curve.size)));
}

/** Whether `key` signed `message`. */
export function signed(key, signature, message) {
  const whole = key.kind.hardware ? Buffer.concat([sha256(key.application), signature.tail, sha256(message)]) : message;
  const hash = key.kind.curve ? CURVES[key.kind.curve].hash : (RSA_HASHES[signature.algorithm] ?? null);
  try {
    return computes(hash, whole, { key: createPublicKey({ key: key.jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" }, signature.body);
  } catch {
    return false;
  }
}
