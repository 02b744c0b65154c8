// User certificates: docs/signatures.md, "Certificates".

import { CERTIFIED, parseKey, readKey, readSignature } from "./keys.mjs";
import { keep } from "./rules.mjs";
import { Reader } from "./wire.mjs";

const EXTENSIONS = ["permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc"];
export const PRINCIPAL = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;

export function parseCertificate(blob) {
  const reader = new Reader(blob);
  const kind = CERTIFIED[reader.name()];
  reader.string(); // the nonce
  const found = { key: readKey(reader, kind), serial: reader.uint64() };
  keep(reader.uint32() === 1, "host-certificate");
  found.keyId = readKeyId(reader.string());
  found.principal = principal(reader.string());
  found.after = reader.uint64();
  found.before = reader.uint64();
  keep(found.after !== 0n, "open-validity", "open-validity: a beginning");
  keep(found.before !== 2n ** 64n - 1n, "open-validity", "open-validity: an end");
  keep(found.before > found.after, "open-validity", "open-validity: the end after the beginning");
  keep(reader.string().length === 0, "critical-option");
  checkExtensions(reader.string());
  keep(reader.string().length === 0, "reserved", "reserved: of the certificate");
  const ca = reader.string();
  const isCertificate = Boolean(CERTIFIED[new Reader(ca).name()]);
  keep(!isCertificate, "ca-key", "ca-key: no certificate");
  found.ca = isCertificate ? parseCertificate(ca).key : parseKey(ca);
  keep(!found.ca.kind.hardware, "ca-key", "ca-key: no hardware key");
  found.signedPart = blob.subarray(0, reader.at);
  found.signature = readSignature(reader.string(), found.ca);
  reader.end("certificate");
  return found;
}

function readKeyId(content) {
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    keep(false, "key-id", "key-id: UTF-8");
  }
  keep(!/\p{Cc}/u.test(text), "key-id", "key-id: no control character");
  return text;
}

function principal(packed) {
  const reader = new Reader(packed);
  const found = [];
  while (!reader.ended) found.push(reader.name());
  keep(found.length > 0, "principals", "principals: one");
  keep(found.length < 2, "principals", "principals: no second");
  keep(!found.length || PRINCIPAL.test(found[0]), "principals", "principals: form");
  return found[0] ?? "";
}

function checkExtensions(packed) {
  const reader = new Reader(packed);
  let last = "";
  while (!reader.ended) {
    const name = reader.name();
    keep(EXTENSIONS.includes(name), "extension", "extension: known");
    keep(reader.string().length === 0, "extension", "extension: no value");
    keep(name >= last, "extension", "extension: order");
    keep(name !== last, "extension", "extension: once");
    last = name;
  }
}
