// The request: what a client asks for, in the bytes that everything later refers to (docs/protocol.md, Messages).
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Expect, Purpose, type UploadRequest, UploadRequestSchema } from "../messages/secrets/v1/upload_pb.ts";
import { type Bytes, sortedOnce } from "./bytes.ts";
import { MalformedError, UsageError } from "./errors.ts";
import { checkOptions } from "./options.ts";
import { isKey, MAX_KEYS } from "./payload.ts";
import { type OwnField, PURPOSES, type PurposeRules } from "./purposes.ts";
import { checkLabels, isDay, isListName, isReason, isVersion } from "./texts.ts";
import { checkRecipes } from "./recipes.ts";
import { SecretUri } from "./uri.ts";
import { parse, serialise } from "./wire.ts";

export const SUITE_1 = 1;
const MAX_SUITES = 8;

/** A well-formed request with its serialised bytes. */
export interface Request {
  readonly content: Bytes;
  readonly message: UploadRequest;
  readonly uri: SecretUri;
  readonly destination: SecretUri | null;
  readonly rules: PurposeRules;
}

/** What a request says besides its id and its suites. */
export type Asked = Omit<MessageInitShape<typeof UploadRequestSchema>, "$typeName" | "requestId" | "suites">;

/** A new request with a new id, checked like one from the wire. Throws `MalformedError`. */
export function makeRequest(asked: Asked): Request {
  const requestId = crypto.getRandomValues(new Uint8Array(16));
  const request = parseRequest(serialise(UploadRequestSchema, { ...asked, requestId, suites: [SUITE_1] }));
  // A case that the schema does not know would be left out, and the secret stored otherwise than was asked.
  if (asked.options !== undefined && request.message.options.case === undefined) throw malformed("options", "must name a known case");
  return request;
}

/** Parses the bytes of an UploadRequest. Throws `MalformedError`. */
export function parseRequest(content: Uint8Array): Request {
  const message = parse(UploadRequestSchema, content);
  const rules = PURPOSES.get(message.purpose);
  if (message.requestId.length !== 16) throw malformed("request_id", "must have 16 bytes");
  if (rules === undefined) throw malformed("purpose", "must be one that this version knows");
  const uri = uriOf(message.uri, "uri");
  checkExpect(message, rules);
  checkSuites(message.suites);
  const given = ownFields(message);
  for (const field of given) {
    if (!rules.fields.includes(field)) throw malformed(field, `does not belong to a ${Purpose[message.purpose]}`);
  }
  checkFields(message, rules);
  checkOptions(message.options);
  const destination = rules.fields.includes("destination") ? uriOf(message.destination, "destination") : null;
  if (destination?.toString() === uri.toString()) throw malformed("destination", "must be another secret");
  return { content: new Uint8Array(content), message, uri, destination, rules };
}

function malformed(field: string, rule: string): MalformedError {
  return new MalformedError("UploadRequest", field, rule);
}

function uriOf(text: string, field: string): SecretUri {
  try {
    return SecretUri.parse(text);
  } catch (error) {
    if (error instanceof UsageError) throw malformed(field, `is refused: ${error.message}`);
    throw error;
  }
}

function checkExpect(message: UploadRequest, rules: PurposeRules): void {
  if (!rules.expects.includes(message.expect)) throw malformed("expect", "is not one that the purpose has");
  const version = message.expectVersion;
  if (message.expect === Expect.VERSION ? !isVersion(version) : version !== "") {
    throw malformed("expect_version", "must be a version with VERSION and absent else");
  }
}

function checkSuites(suites: readonly number[]): void {
  if (suites.length < 1 || suites.length > MAX_SUITES) throw malformed("suites", "must hold 1 to 8 suites");
  if (new Set(suites).size !== suites.length) throw malformed("suites", "must not name a suite twice");
  if (suites.includes(0)) throw malformed("suites", "must not name suite 0");
}

/** The fields that are given of those that not every purpose has. */
function ownFields(message: UploadRequest): OwnField[] {
  const given: [OwnField, boolean][] = [
    ["destroy", message.destroy],
    ["remove_keys", message.removeKeys.length > 0],
    ["labels", message.labels.length > 0],
    ["expires_on", message.expiresOn !== ""],
    ["recipes", message.recipes.length > 0],
    ["destination", message.destination !== ""],
    ["source_version", message.sourceVersion !== ""],
    ["keys", message.keys.length > 0],
    ["keep_labels", message.keepLabels],
    ["keep_expires_on", message.keepExpiresOn],
    ["to_version", message.toVersion !== ""],
    ["options", message.options.case !== undefined],
    ["list_after", message.listAfter !== ""],
  ];
  return given.filter(([, is]) => is).map(([field]) => field);
}

function checkFields(message: UploadRequest, rules: PurposeRules): void {
  const lists: [OwnField, readonly string[]][] = [["remove_keys", message.removeKeys], ["keys", message.keys]];
  for (const [field, keys] of lists) {
    if (keys.length > MAX_KEYS || !keys.every(isKey) || !sortedOnce(keys)) throw malformed(field, "must be at most 64 keys in byte order, each once");
  }
  checkLabels(message.labels, (rule) => malformed("labels", rule));
  if (message.expiresOn !== "" && !isDay(message.expiresOn)) throw malformed("expires_on", "must be a day, YYYY-MM-DD");
  if (message.keepLabels && message.labels.length > 0) throw malformed("labels", "must be absent where they are kept");
  if (message.keepExpiresOn && message.expiresOn !== "") throw malformed("expires_on", "must be absent where it is kept");
  if (message.listAfter !== "" && !isListName(message.listAfter)) throw malformed("list_after", "must be a name that a page can hold");
  if (rules.fields.includes("to_version") && !isVersion(message.toVersion)) throw malformed("to_version", "must be a version");
  if (message.sourceVersion !== "" && !isVersion(message.sourceVersion)) throw malformed("source_version", "must be a version");
  checkApproved(message, rules);
  if (rules.fields.includes("recipes")) checkRecipes(message.recipes, (rule) => malformed("recipes", rule));
}

/** What is written is approved, or is done by breaking the glass, or takes neither. */
function checkApproved({ changeSha256, breakGlass }: UploadRequest, { writes }: PurposeRules): void {
  if (changeSha256.length > 0 && !(writes && changeSha256.length === 32)) throw malformed("change_sha256", "must have 32 bytes, or be absent where nothing is written");
  if (breakGlass === "") return;
  if (changeSha256.length > 0 || !writes) throw malformed("break_glass", "must be absent with a change, and where nothing is written");
  if (!isReason(breakGlass)) throw malformed("break_glass", "must be 1 to 500 printable characters");
}
