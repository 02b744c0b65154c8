// The list of signers and the list of revocations: docs/signatures.md, "The lists". A bad list is a fault with the word "list".

import { PRINCIPAL } from "./certificate.mjs";
import { CERTIFIED, KINDS, parseKey } from "./keys.mjs";
import { Fault, keep } from "./rules.mjs";
import { Reader } from "./wire.mjs";

const OPTION = /^(namespaces|valid-after|valid-before)="([^"\\,]*)"$/;
const REVOKED = /^(SHA256:[A-Za-z0-9+/]{43})(?:[ \t]+serial[ \t]+(0|[1-9][0-9]{0,19})|[ \t]+id[ \t]+(.+))?$/;
const TIME = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?Z$/;

const kept = (holds, rule) => keep(holds, "list", `list: ${rule}`);

function* lines(text) {
  kept(text === "" || text.endsWith("\n"), "a newline at the end");
  for (const line of text.split("\n")) {
    kept(!/[\0-\x08\x0b-\x1f]/.test(line), "no control character");
    const stripped = line.replace(/^[ \t]+|[ \t]+$/g, "");
    if (stripped && !stripped.startsWith("#")) yield stripped;
  }
}

/** The lines of a list of those who sign in a namespace, by their keys in hex. */
export function parseSigners(text, namespace) {
  const found = new Map();
  for (const line of lines(text)) {
    const words = line.split(/[ \t]+/);
    const options = words.length > 1 && !KINDS[words[1]] && !CERTIFIED[words[1]] ? words.splice(1, 1)[0].split(",") : [];
    const one = { names: words[0].split(","), ...readOptions(options, namespace), key: readLine(words[1] ?? "", words[2] ?? "") };
    checkNames(one);
    const hex = one.key.blob.toString("hex");
    kept(!found.has(hex), "a key once");
    found.set(hex, one);
  }
  return found;
}

function readLine(kind, base64) {
  const blob = Buffer.from(base64, "base64");
  kept(blob.toString("base64") === base64, "base64 in its one form");
  try {
    const key = parseKey(blob);
    kept(new Reader(key.blob).name() === kind, "the kind that is named");
    return key;
  } catch (fault) {
    throw fault instanceof Fault ? new Fault("list") : fault;
  }
}

function readOptions(options, namespace) {
  const found = { authority: false, after: 0, before: Infinity };
  const seen = new Set();
  for (const option of options) {
    const match = option === "cert-authority" ? [option, option] : OPTION.exec(option);
    if (!match) throw new Fault("list");
    const [, name, value] = match;
    kept(!seen.has(name), "an option once");
    seen.add(name);
    if (name === "cert-authority") found.authority = true;
    else if (name === "namespaces") kept(value === namespace, `the namespace ${namespace}`);
    else found[name === "valid-after" ? "after" : "before"] = seconds(value);
  }
  kept(found.before > found.after, "the end after the beginning");
  return found;
}

function checkNames({ names, authority, key }) {
  if (authority) {
    kept(!key.kind.hardware, "no hardware key of a CA");
    kept(
      names.every((name) => PRINCIPAL.test(name) || /^\*[A-Za-z0-9._@+-]{1,127}$/.test(name)),
      "names of a CA",
    );
    kept(new Set(names).size === names.length, "a name of a CA once");
  } else {
    kept(names.length === 1, "one principal");
    kept(
      names.every((name) => PRINCIPAL.test(name)),
      "the principal's form",
    );
  }
}

function seconds(text) {
  const match = TIME.exec(text);
  if (!match) throw new Fault("list");
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0));
  const found = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  kept(found.getUTCMonth() === month - 1 && found.getUTCHours() === hour && found.getUTCSeconds() === second, "a time that there is");
  kept(found.getTime() > 0, "after 1970");
  return found.getTime() / 1000;
}

/** The revocations: `SHA256:…`, or of a CA `SHA256:… N` with a serial number, `SHA256:… id …` with a key id. */
export function parseRevoked(text) {
  const found = new Set();
  for (const line of lines(text)) {
    const match = REVOKED.exec(line);
    if (!match) throw new Fault("list");
    kept(BigInt(match[2] ?? 1) < 2n ** 64n, "a serial number of 64 bits");
    const end = match[2] ?? (match[3] && `id ${match[3]}`);
    found.add(end ? `${match[1]} ${end}` : match[1]);
  }
  return found;
}
