// Changes: docs/protocol.md, "Rules of the fields" and "Approvals". Protobuf is read here by hand, in its one form alone.

import { PRINCIPAL } from "./certificate.mjs";
import { sha256 } from "./keys.mjs";
import { Fault, keep } from "./rules.mjs";

const KEY = /^(?!\.$)(?!\.\.)[A-Za-z0-9_.-]{1,253}$/;
const FINGERPRINT = /^fp1:[0-9a-f]{16}:[0-9a-f]{64}$/;
const VERSION = /^[!-~]{1,256}$/;
const PURPOSES = ["", "UPLOAD", "COMPARE", "GENERATE", "VERIFY", "DELETE", "COPY", "PATCH", "IMPORT", "UNDELETE", "ROLLBACK", "LIST"];
const NEEDS_SOMETHING = ["DELETE", "PATCH", "UNDELETE"];
const [ABSENT, EXPECTS_VERSION] = [2, 3];

// The fields of each message: text, bytes, number, or those of a message in it; a list is one that can stand there often.
const PAIR = { 1: "text", 2: "text" };
const UPLOAD_REQUEST = {
  ...{ 1: "bytes", 2: "number", 3: "text", 4: "number", 5: "text", 6: ["packed"], 7: "number", 8: ["text"], 9: [PAIR] },
  ...{ 10: "text", 11: [{ ...PAIR, 3: "number" }], 12: "text", 13: "number", 14: "number", 15: "text", 16: { 1: "number" } },
  ...{ 19: "text", 20: "bytes", 21: "text", 22: "text", 23: ["text"] },
};
const CHANGE = { 1: "bytes", 2: "bytes", 3: "text", 4: "bytes", 5: "number", 6: ["text"], 7: "text", 8: "text" };

const malformed = (holds, field, rule) => keep(holds, `MALFORMED ${field}`, `change: ${field}: ${rule}`);
const form = (holds, rule) => malformed(holds, "content", rule);

class Bytes {
  constructor(content) {
    this.content = content;
    this.at = 0;
  }

  number() {
    let [found, shift] = [0n, 0n];
    for (;;) {
      const byte = this.take(1)[0];
      found |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte & 0x80) continue;
      form(byte !== 0 || shift === 7n, "fewest bytes");
      return found;
    }
  }

  take(size) {
    if (this.at + size > this.content.length) throw new Fault("MALFORMED content");
    this.at += size;
    return this.content.subarray(this.at - size, this.at);
  }
}

function text(content) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    form(false, "UTF-8");
    return content.toString("latin1");
  }
}

// The fields by number; what is not there is undefined, and a list empty.
function fields(content, kinds) {
  const reader = new Bytes(content);
  const found = {};
  let last = 0;
  while (reader.at < content.length) {
    const tag = Number(reader.number());
    const [number, wire] = [tag >> 3, tag & 7];
    if (wire !== 0 && wire !== 2) throw new Fault("MALFORMED content");
    const value = wire === 0 ? reader.number() : reader.take(Number(reader.number()));
    form(kinds[number] !== undefined, "known fields");
    const often = Array.isArray(kinds[number]);
    form(number >= last, "in the order of numbers");
    form(number !== last || often, "each field once");
    last = number;
    const kind = often ? kinds[number][0] : kinds[number];
    form(often || (wire === 0 ? value !== 0n : value.length > 0 || typeof kind === "object"), "no default");
    const read = kind === "text" ? text(value) : typeof kind === "object" ? fields(value, kind) : value;
    found[number] = often ? [...(found[number] ?? []), read] : read;
  }
  return found;
}

// Categories C and Z of Unicode turn the direction of text, speak to a terminal, or cannot be seen.
const printable = (what) => !/[\p{C}\p{Z}]/u.test(what.replaceAll(" ", ""));

function checkRequest(content) {
  const { 1: id, 2: number, 4: expect, 5: version, 6: suites, 8: removed, 20: change, 21: glass, 22: source, 23: copied, 3: uri } = fields(content, UPLOAD_REQUEST);
  const purpose = PURPOSES[Number(number ?? 0n)];
  malformed(!id && !suites && !change, "request", "nothing of an attempt");
  malformed(!glass, "request", "no broken glass");
  // A purpose that writes nothing expects neither.
  malformed([ABSENT, EXPECTS_VERSION].includes(Number(expect ?? 0n)), "request", "ABSENT or VERSION");
  malformed(Number(expect) !== ABSENT || !NEEDS_SOMETHING.includes(purpose), "expect", "something must be there");
  malformed(Number(expect) !== EXPECTS_VERSION || VERSION.test(version ?? ""), "expect_version", "with VERSION");
  malformed(purpose !== "COPY" || source, "request", "the version that is copied");
  malformed(purpose === "COPY" || !source, "source_version", "with COPY alone");
  malformed(purpose === "COPY" || !copied, "keys", "with COPY alone");
  return { purpose, uri, version: version ?? "", removed: removed ?? [] };
}

function checkKeys(keys, { purpose, removed }) {
  const seals = purpose === "UPLOAD" || purpose === "PATCH";
  malformed(keys.length <= 64, "keys", "at most 64");
  malformed(
    keys.every((key) => KEY.test(key)),
    "keys",
    "keys of a secret",
  );
  malformed(
    keys.every((key, at) => at === 0 || Buffer.compare(Buffer.from(keys[at - 1]), Buffer.from(key)) <= 0),
    "keys",
    "in their order",
  );
  malformed(new Set(keys).size === keys.length, "keys", "each once");
  malformed(seals || keys.length === 0, "keys", "where something is sealed");
  malformed(!seals || keys.length > 0 || removed.length > 0, "keys", "all that is sealed");
  malformed(!keys.some((key) => removed.includes(key)), "keys", "none that is removed");
}

/** What a change says; the words are those of its vectors. */
export function parseChange(content) {
  form(content.length <= 8192, "at most 8,192 bytes");
  const { 1: id, 2: request, 3: requester, 4: identity, 5: end, 6: keys, 7: fingerprint, 8: reason } = fields(content, CHANGE);
  malformed(id?.length === 16, "change_id", "16 bytes");
  const asked = checkRequest(request ?? Buffer.alloc(0));
  malformed(PRINCIPAL.test(requester ?? ""), "requester", "a principal");
  malformed(identity?.length === 32, "identity", "32 bytes");
  malformed(end !== undefined, "not_after", "an end");
  malformed((end ?? 0n) <= 253402300799n, "not_after", "before the year 10000");
  checkKeys(keys ?? [], asked);
  malformed(!fingerprint || FINGERPRINT.test(fingerprint), "fingerprint", "its form");
  malformed(!fingerprint || ["UPLOAD", "COPY"].includes(asked.purpose), "fingerprint", "with UPLOAD and COPY");
  malformed([...(reason ?? "")].length <= 500, "reason", "at most 500");
  malformed(printable(reason ?? ""), "reason", "printable");
  return {
    change_sha256: sha256(content).toString("hex"),
    says: {
      change_id: id?.toString("hex"),
      purpose: `PURPOSE_${asked.purpose}`,
      uri: asked.uri,
      expect_version: asked.version,
      requester,
      identity: identity?.toString("hex"),
      not_after: Number(end),
      keys: keys ?? [],
      fingerprint: fingerprint ?? "",
      reason: reason ?? "",
    },
  };
}

// The bytes of a request but for some fields: those that are left stand as they stood.
function leavingOut(content, numbers) {
  const reader = new Bytes(content);
  const kept = [];
  while (reader.at < content.length) {
    const begin = reader.at;
    const tag = Number(reader.number());
    if ((tag & 7) === 0) reader.number();
    else reader.take(Number(reader.number()));
    if (!numbers.includes(tag >> 3)) kept.push(content.subarray(begin, reader.at));
  }
  return Buffer.concat(kept);
}

/** Whether a request names a change and asks, byte for byte, what it says. */
export function executes(request, change) {
  parseChange(change);
  const named = fields(request, UPLOAD_REQUEST)[20];
  const same = leavingOut(request, [1, 6, 20]).equals(fields(change, CHANGE)[2]);
  return same && named?.equals(sha256(change)) === true;
}
