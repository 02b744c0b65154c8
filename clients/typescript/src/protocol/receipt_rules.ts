// Which field of a receipt stands with which outcome, and in which form (docs/protocol.md, Messages).
import { DifferenceKind, Outcome, Reason, type Receipt } from "../messages/secrets/v1/upload_pb.ts";
import { sortedOnce } from "./bytes.ts";
import { MalformedError } from "./errors.ts";
import { isShown } from "./identity.ts";
import { isKey, MAX_KEYS } from "./payload.ts";
import { isDetail, isListName, isReason, isVersion } from "./texts.ts";

const DIGEST_BYTES = 32;
const MAX_RETRY_AFTER_S = 86_400;
const MAX_PUBLIC_LENGTH = 2_048;
const [MAX_NAMES, MAX_NAMES_BYTES, MAX_UNADDRESSABLE] = [500, 32_768, 1_000_000] as const;

const PRINCIPAL = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;
const FINGERPRINT = /^fp1:[0-9a-f]{16}:[0-9a-f]{64}$/;
const KEY_ID_LENGTH = "fp1:".length + 16;
const PUBLIC = /^-----BEGIN PUBLIC KEY-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END PUBLIC KEY-----\n$/;

const RESTORED = [Outcome.UNDELETED, Outcome.ROLLED_BACK];
const VERIFIED = [Outcome.IN_SYNC, Outcome.DRIFTED, Outcome.GONE];
const REPLACING = [Outcome.STARTED, Outcome.UPLOADED, Outcome.DELETED, Outcome.ROLLED_BACK];
const NEEDS_FINGERPRINT = [Outcome.UNCHANGED, Outcome.IMPORTED, Outcome.COPIED];
const MAY_HAVE_FINGERPRINT = [...NEEDS_FINGERPRINT, ...RESTORED, Outcome.UPLOADED];
const NEEDS_VERSION = [...MAY_HAVE_FINGERPRINT, Outcome.EQUAL, Outcome.DRIFTED];
const OF_WRITES = [Outcome.STARTED, Outcome.UPLOADED, Outcome.UNCHANGED, Outcome.DELETED, Outcome.COPIED, ...RESTORED];
const WITHOUT_VERSION = [Outcome.DELETED, Outcome.GONE];

/** Whether it is the failure of a reactor that never saw what was sealed. */
export function isBeforeSealing(receipt: Receipt): boolean {
  return receipt.outcome === Outcome.FAILED && receipt.sealedSha256.length === 0;
}

/** Checks every field by itself and with the outcome. Throws `MalformedError`. */
export function checkReceipt(receipt: Receipt): void {
  checkOutcome(receipt);
  checkReason(receipt);
  checkSigner(receipt);
  checkApproved(receipt);
  checkApprovers(receipt);
  checkDigests(receipt);
  checkVersions(receipt);
  checkFingerprints(receipt);
  checkDifferences(receipt);
  checkPublicValues(receipt);
  checkListing(receipt);
}

function must(holds: boolean, field: string, rule: string): void {
  if (!holds) throw new MalformedError("Receipt", field, rule);
}

function checkOutcome(receipt: Receipt): void {
  const { outcome } = receipt;
  must(Outcome[outcome] !== undefined && outcome !== Outcome.UNSPECIFIED, "outcome", "must be a known outcome");
  must(Reason[receipt.reason] !== undefined, "reason", "must be a known reason");
  const copied = outcome === Outcome.COPIED;
  must(copied === (receipt.destination !== undefined), "destination", "must be given with COPIED and never else");
  must(copied || receipt.destinationGrant === undefined, "destination_grant", "must be absent unless COPIED");
  must((outcome === Outcome.LISTED) === (receipt.listed !== undefined), "listed", "must be given with LISTED and never else");
}

function checkReason(receipt: Receipt): void {
  const failed = receipt.outcome === Outcome.FAILED;
  const { reason } = receipt;
  must(failed === (reason !== Reason.UNSPECIFIED), "reason", "must be given with FAILED and never else");
  must(receipt.detail === "" || (failed && isDetail(receipt.detail)), "detail", "must be absent unless FAILED, and printable ASCII");
  must(receipt.replica.length === 0 || (reason === Reason.KEY_LOST && receipt.replica.length === 16), "replica", "must be absent unless KEY_LOST, and have 16 bytes");
  must(receipt.retryAfterS === 0 || reason === Reason.RATE_LIMITED, "retry_after_s", "must be absent unless RATE_LIMITED");
  must(receipt.retryAfterS <= MAX_RETRY_AFTER_S, "retry_after_s", "must be at most a day");
}

function checkSigner(receipt: Receipt): void {
  const { signer, signerKey } = receipt;
  must((signer === "") === (signerKey === ""), "signer_key", "must be given with a signer and never else");
  must(signer === "" || receipt.outcome !== Outcome.FAILED, "signer", "must be absent with FAILED");
  must(signer === "" || PRINCIPAL.test(signer), "signer", "must be 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first");
  must(signerKey === "" || isShown(signerKey), "signer_key", "must be SHA256: and unpadded base64 of 32 bytes");
}

function checkApproved(receipt: Receipt): void {
  const { changeSha256, breakGlass, signer, outcome } = receipt;
  const may = signer !== "" && OF_WRITES.includes(outcome);
  must(changeSha256.length === 0 || (may && changeSha256.length === DIGEST_BYTES), "change_sha256", "must have 32 bytes, and be absent where nobody signed or nothing is written");
  must(breakGlass === "" || (may && changeSha256.length === 0), "break_glass", "must be absent with a change, and where nobody signed or nothing is written");
  must(breakGlass === "" || isReason(breakGlass), "break_glass", "must be 1 to 500 printable characters");
}

function checkApprovers({ approvers, changeSha256, signer, signerKey }: Receipt): void {
  const [principals, keys] = [approvers.map((one) => one.principal), approvers.map((one) => one.key)];
  must(approvers.length === 0 || changeSha256.length > 0, "approvers", "must be absent without a change");
  must(approvers.length <= 8 && sortedOnce(principals), "approvers", "must be at most 8, sorted by principal, each once");
  must(principals.every((one) => PRINCIPAL.test(one)) && keys.every(isShown), "approvers", "must be principals and keys");
  must(new Set(keys).size === keys.length && !principals.includes(signer) && !keys.includes(signerKey), "approvers", "must have keys of their own, and be others than the signer");
}

function checkDigests(receipt: Receipt): void {
  const digest = (content: Uint8Array, wanted: boolean) => content.length === (wanted ? DIGEST_BYTES : 0);
  must(digest(receipt.grantSha256, true), "grant_sha256", "must have 32 bytes");
  must(digest(receipt.sealedSha256, true) || isBeforeSealing(receipt), "sealed_sha256", "must have 32 bytes");
  must(digest(receipt.intent, receipt.outcome === Outcome.STARTED), "intent", "must have 32 bytes with STARTED and none else");
  must(digest(receipt.verifiedSha256, VERIFIED.includes(receipt.outcome)), "verified_sha256", "must have 32 bytes with IN_SYNC, DRIFTED, GONE and none else");
}

function checkVersions(receipt: Receipt): void {
  const { outcome, upstreamVersion, priorVersion, restoredVersion } = receipt;
  must(upstreamVersion === "" || isVersion(upstreamVersion), "upstream_version", "must be a version");
  must(upstreamVersion !== "" || !NEEDS_VERSION.includes(outcome), "upstream_version", "must be given where something is upstream");
  must(upstreamVersion === "" || !WITHOUT_VERSION.includes(outcome), "upstream_version", "must be absent with DELETED and GONE");
  must(priorVersion === "" || isVersion(priorVersion), "prior_version", "must be a version");
  must(priorVersion === "" || REPLACING.includes(outcome), "prior_version", "must be absent unless something is replaced");
  must(priorVersion !== "" || outcome !== Outcome.DELETED, "prior_version", "must be given with DELETED");
  must(restoredVersion === "" || isVersion(restoredVersion), "restored_version", "must be a version");
  must(restoredVersion !== "" || !RESTORED.includes(outcome), "restored_version", "must be given with UNDELETED and ROLLED_BACK");
  must(restoredVersion === "" || [...RESTORED, Outcome.STARTED].includes(outcome), "restored_version", "must be absent unless something is brought back");
}

function checkFingerprints(receipt: Receipt): void {
  const { fingerprint, values, outcome } = receipt;
  must(fingerprint === "" || MAY_HAVE_FINGERPRINT.includes(outcome), "fingerprint", "must be absent unless the outcome says what is upstream");
  must(fingerprint !== "" || !NEEDS_FINGERPRINT.includes(outcome), "fingerprint", "must be given with UNCHANGED, COPIED and IMPORTED");
  must((fingerprint === "") === (values.length === 0), "values", "must be given with a fingerprint and never else");
  const texts = values.map((value) => value.fingerprint);
  must(texts.every((text) => text.slice(0, KEY_ID_LENGTH) === fingerprint.slice(0, KEY_ID_LENGTH)), "values", "must be fingerprints under one key id");
  must([fingerprint, ...texts].every((text) => text === "" || FINGERPRINT.test(text)), "fingerprint", "must be fp1:<16 hex>:<64 hex>");
  checkKeys("values", values, MAX_KEYS);
}

function checkDifferences(receipt: Receipt): void {
  const { differences } = receipt;
  must((receipt.outcome === Outcome.DIFFERENT) === differences.length > 0, "differences", "must be given with DIFFERENT and never else");
  const known = ({ kind }: { kind: DifferenceKind }) => DifferenceKind[kind] !== undefined && kind !== DifferenceKind.UNSPECIFIED;
  must(differences.every(known), "differences", "must be MISSING, EXTRA or CHANGED");
  checkKeys("differences", differences, 2 * MAX_KEYS);
}

function checkPublicValues(receipt: Receipt): void {
  const { publicValues } = receipt;
  must(publicValues.length === 0 || receipt.outcome === Outcome.UPLOADED, "public_values", "must be absent unless UPLOADED");
  must(publicValues.every(({ value }) => value.length <= MAX_PUBLIC_LENGTH && PUBLIC.test(value)), "public_values", "must be PEM, SubjectPublicKeyInfo");
  checkKeys("public_values", publicValues, MAX_KEYS);
}

function checkListing(receipt: Receipt): void {
  const names = receipt.listed?.names ?? [];
  must(names.length <= MAX_NAMES && names.join("").length <= MAX_NAMES_BYTES, "listed", "has too many names");
  must(names.every(isListName), "listed", "has a name that is no segment of a URI");
  must(sortedOnce(names), "listed", "must be in byte order, each name once");
  must((receipt.listed?.unaddressable ?? 0) <= MAX_UNADDRESSABLE, "listed", "counts too many names");
  must(!receipt.more || names.length > 0, "more", "must be absent unless LISTED shows names");
}

function checkKeys(field: string, named: readonly { readonly key: string }[], atMost: number): void {
  const keys = named.map(({ key }) => key);
  must(keys.length <= atMost, field, "has too many keys");
  must(keys.every(isKey), field, "has a key outside the rule");
  must(sortedOnce(keys), field, "must be in key order, each key once");
}
