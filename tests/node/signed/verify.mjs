// A second verifier of signed requests and of approvals, made from docs/signatures.md, docs/protocol.md and the documents that
// they name, with Node's crypto alone.
// node verify.mjs VECTORS prints, as JSON, `wrong`: the vectors of which it says something else than they do,
// and `unnoticed`: its own rules without which it would still agree with all of them.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { parseCertificate } from "./certificate.mjs";
import { executes, parseChange } from "./changes.mjs";
import { CERTIFIED, parseKey, readSignature, shown, signed } from "./keys.mjs";
import { parseRevoked, parseSigners } from "./lists.mjs";
import { Fault, keep, rules, without } from "./rules.mjs";
import { Reader, string } from "./wire.mjs";

const REQUEST = "request@monoskope";
const APPROVAL = "approval@monoskope";

function parse(blob, wanted) {
  keep(blob.length, "missing");
  keep(blob.length <= 8192, "size");
  const reader = new Reader(blob);
  keep(reader.raw(6).toString("latin1") === "SSHSIG", "malformed", "malformed: SSHSIG");
  keep(reader.uint32() === 1, "version");
  const signer = reader.string();
  const namespace = reader.name();
  keep(namespace === wanted, "namespace", `namespace: ${wanted}`);
  const reserved = reader.string();
  keep(reserved.length === 0, "reserved", "reserved: of the container");
  const hash = reader.name();
  keep(hash === "sha512", "hash");
  const signature = reader.string();
  reader.end("container");
  const certificate = CERTIFIED[new Reader(signer).name()] ? parseCertificate(signer) : null;
  const key = certificate ? certificate.key : parseKey(signer);
  return { certificate, key, namespace, reserved, hash, signature: readSignature(signature, key) };
}

function toSign({ namespace, reserved, hash }, statement) {
  const digest = createHash(hash).update(statement).digest();
  return Buffer.concat([Buffer.from("SSHSIG"), ...[namespace, reserved, hash, digest].map(string)]);
}

function listed({ certificate, key }, vector, list) {
  const line = list.get((certificate ? certificate.ca : key).blob.toString("hex"));
  if (!line) throw new Fault("unlisted");
  keep(line.authority === Boolean(certificate), "unlisted", "unlisted: CA or not");
  const principal = certificate ? certificate.principal : line.names[0];
  const covers = (name) => (name.startsWith("*") ? principal.endsWith(name.slice(1)) : principal === name);
  keep(line.names.some(covers), "unlisted", "unlisted: the CA's names");
  keep(line.after <= vector.now, "time", "time: the line began");
  keep(vector.now < line.before, "time", "time: the line has not ended");
  if (certificate) {
    keep(certificate.before - certificate.after <= vector.max_certificate_hours * 3600, "too-long-validity");
    keep(certificate.after <= vector.now, "time", "time: the certificate began");
    keep(vector.now < certificate.before, "time", "time: the certificate has not ended");
  }
  return principal;
}

function checkRevoked({ certificate, key }, text) {
  keep(text !== null, "revocations");
  const revoked = parseRevoked(text ?? "");
  keep(!revoked.has(shown(key)), "revoked", "revoked: the key");
  if (!certificate) return;
  keep(!revoked.has(shown(certificate.ca)), "revoked", "revoked: the CA");
  keep(!revoked.has(`${shown(certificate.ca)} ${certificate.serial}`), "revoked", "revoked: the serial number");
  keep(!revoked.has(`${shown(certificate.ca)} id ${certificate.keyId.trim()}`), "revoked", "revoked: the key id");
}

function isBelow(prefix, uri) {
  const [store, path] = prefix.split("://");
  const [itsStore, itsPath] = uri.split("://");
  return store === itsStore && (path === "" || `${itsPath}/`.startsWith(`${path}/`));
}

function isPermitted(principal, { request, may }) {
  return may.some(
    (one) =>
      one.principal === principal &&
      one.purposes.includes(request.purpose) &&
      one.prefixes.some((prefix) => isBelow(`vault://${prefix}`, request.uri)) &&
      (!request.destination || one.destinations?.some((prefix) => isBelow(prefix, request.destination))),
  );
}

// The signer by the lists of a vector, whatever it is that was signed.
function verified(vector, list, namespace) {
  const found = parse(Buffer.from(vector.signature, "base64"), namespace);
  const principal = listed(found, vector, parseSigners(list, namespace));
  checkRevoked(found, vector.revoked);
  if (found.certificate) keep(signed(found.certificate.ca, found.certificate.signature, found.certificate.signedPart), "ca-signature");
  keep(signed(found.key, found.signature, toSign(found, Buffer.from(vector.statement, "hex"))), "signature");
  return { principal, key: shown(found.key) };
}

function decide(vector) {
  const { principal, key } = verified(vector, vector.allowed_signers, REQUEST);
  keep(isPermitted(principal, vector), "not-permitted");
  return { signer: principal, signer_key: key };
}

// What an approver signed is the change that the vector names, under its own label.
function approved(vector) {
  const statement = Buffer.concat([Buffer.from("m8/approval/v1\0"), Buffer.from(vector.change_sha256, "hex")]);
  return verified({ ...vector, statement: statement.toString("hex") }, vector.allowed_approvers, APPROVAL);
}

const LISTS = {
  allowed_signers: (text) => parseSigners(text, REQUEST),
  allowed_approvers: (text) => parseSigners(text, APPROVAL),
  revoked: parseRevoked,
};

function outcome(run) {
  try {
    return run();
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return { fault: fault.word };
  }
}

const { vectors, lists, changes, executions, approvals } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const word = ({ fault, field }) => (field ? `${fault} ${field}` : fault);
const expecting = (says) => (one) => ({
  name: one.name,
  word: word(one.expected),
  says: () => JSON.stringify(outcome(() => says(one))),
  expected: JSON.stringify(one.expected.fault ? { fault: word(one.expected) } : one.expected),
});
const cases = [
  ...vectors.map(expecting(decide)),
  ...approvals.map(expecting(approved)),
  ...changes.map(expecting((one) => parseChange(Buffer.from(one.content, "hex")))),
  ...executions.map(expecting((one) => ({ executes: executes(Buffer.from(one.request, "hex"), Buffer.from(one.change, "hex")) }))),
  ...lists.map((one) => ({
    name: `${one.list}: ${one.name}`,
    word: one.good ? undefined : "list",
    says: () => JSON.stringify(outcome(() => LISTS[one.list](one.text) && { good: true })),
    expected: JSON.stringify(one.good ? { good: true } : { fault: "list" }),
  })),
];
const wrong = cases.filter((one) => one.says() !== one.expected).map((one) => `${one.name}: ${one.says()}`);
// To leave a rule out changes nothing but what this rule refuses.
const isNoticed = (rule, word) => cases.some((one) => one.word === word && without(rule, one.says) !== one.expected);
const unnoticed = [...rules].filter(([rule, word]) => !isNoticed(rule, word)).map(([rule]) => rule);
console.log(JSON.stringify({ wrong, unnoticed, rules: rules.size }));
