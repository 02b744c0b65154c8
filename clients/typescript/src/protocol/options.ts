// How a secret is laid out in its engine, in one form only (docs/protocol.md, Messages).
import { VaultBinary } from "../messages/secrets/v1/options_pb.ts";
import type { UploadRequest } from "../messages/secrets/v1/upload_pb.ts";
import { sortedOnce, utf8 } from "./bytes.ts";
import { MalformedError } from "./errors.ts";

const MAX_OTHER_BYTES = 8_192;
/** A text, a bracket or a comma: all that tells which texts name members. What lies between is passed over. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** Checks the options of a request. Throws `MalformedError`. */
export function checkOptions(options: UploadRequest["options"]): void {
  switch (options.case) {
    case "vault":
      if (VaultBinary[options.value.binary] === undefined) throw malformed("vault.binary", "must be a known choice");
      return;
    case "aws":
      if (!sortedOnce(options.value.tags.map(({ name }) => name))) throw malformed("aws.tags", "must be sorted by name, each name once");
      return;
    case "kubernetes":
      if (!sortedOnce(options.value.labels.map(({ name }) => name))) throw malformed("kubernetes.labels", "must be sorted by name, each name once");
      return;
    case "other":
      checkOther(options.value);
      return;
    case undefined:
      return;
  }
}

function malformed(field: string, rule: string): MalformedError {
  return new MalformedError("UploadRequest", field, rule);
}

function checkOther(text: string): void {
  if (utf8(text).length > MAX_OTHER_BYTES) throw malformed("other", "must have at most 8,192 bytes");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw malformed("other", "must be JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw malformed("other", "must be a JSON object");
  if (!namesMembersOnce(text)) throw malformed("other", "must name each member of an object once");
}

/** Whether each object in a text that is JSON names each of its members once: JSON.parse would take the last. */
function namesMembersOnce(text: string): boolean {
  const tokens = text.match(TOKENS) ?? [];
  const open: (Set<string> | null)[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token.startsWith('"') && tokens[index + 1] === ":") {
      const names = open.at(-1);
      const name: string = JSON.parse(token);
      if (names?.has(name)) return false;
      names?.add(name);
    }
  }
  return true;
}
