/** What each event of the log says, in words. An event of an unknown type is shown as it is. */

import type { Event } from "../../api/documents/shown";
import { shortVersion } from "../../parts/words/Labels";
import { isOpenEnd, known, whyWords } from "../words/outcomes";

/** How an event is marked: by colour and by the sign beside it. */
type Mood = "begin" | "step" | "good" | "bad" | "warn" | "gone" | "admin";

/** The sign of each mood: it says without colour what colour says. */
export const SIGNS: Record<Mood, string> = { begin: "→", step: "·", good: "✓", bad: "✕", warn: "!", gone: "–", admin: "◆" };

interface Told {
  mood: Mood;
  text: string;
}

type Teller = (detail: string) => Told;

const told =
  (mood: Mood, text: string): Teller =>
  () => ({ mood, text });

const PURPOSES: Record<string, string> = {
  UPLOAD: "Somebody wants to put this secret",
  PATCH: "Somebody wants to change some keys of this secret",
  DELETE: "Somebody wants to delete this secret",
  UNDELETE: "Somebody wants to bring this secret back",
  ROLLBACK: "Somebody wants an earlier version of this secret again",
  GENERATE: "Somebody has the reactor make this secret",
  COMPARE: "Somebody wants to compare a value with this secret",
  VERIFY: "Somebody asks whether the engine still holds it",
  IMPORT: "Somebody wants m8 to adopt what the engine holds",
  COPY: "Somebody wants to copy this secret to another place",
  LIST: "Somebody asks which names the engine holds here",
};

function asked(detail: string): Told {
  const purpose = detail.split(" ", 1)[0] ?? "";
  const to = / to ([^\s,]+)/.exec(detail);
  return { mood: "begin", text: `${known(PURPOSES, purpose) ?? `Somebody asks for ${purpose || "something"}`}${purpose === "COPY" && to ? `: ${to[1]}` : ""}` };
}

function failed(detail: string): Told {
  const [reason = "", without] = detail.split(",", 2);
  const why = `${whyWords(reason)}${without === undefined ? "" : ", without a receipt"}`;
  return isOpenEnd(reason) ? { mood: "warn", text: `${why.charAt(0).toUpperCase()}${why.slice(1)}` } : { mood: "bad", text: `Failed: ${why}` };
}

/** Return a detail that ends with a version, as its engine shows that version. */
const shortened = (detail: string): string => detail.replace(/version (\S+)$/, (_, found: string) => `version ${shortVersion(found)}`);

const version = (detail: string): string => {
  const found = /version (.+)$/.exec(detail);
  return found ? ` as version ${shortVersion(found[1] ?? "")}` : "";
};

const named = (detail: string): string => detail.split(",", 1)[0] ?? "";

const TELLERS: Record<string, Teller> = {
  SecretUploadKeyRequested: asked,
  SecretUploadKeyProvided: told("step", "A reactor made a one-time key"),
  SecretUploadRequested: told("step", "What was sealed went to the reactor"),
  SecretUploadStarted: (detail) => ({ mood: "step", text: `The reactor begins to write${detail === "" ? "" : `, ${shortened(detail)}`}` }),
  SecretUploaded: (detail) =>
    detail.startsWith("UNCHANGED")
      ? { mood: "good", text: "Nothing to write: the same content was there" }
      : { mood: "good", text: `The secret is in the engine${version(detail)}` },
  SecretDeleted: told("gone", "The secret is no longer in the engine"),
  SecretCompared: (detail) => ({ mood: "good", text: detail.startsWith("EQUAL") ? "Compared: the values are equal" : "Compared: the values differ" }),
  SecretVerified: told("good", "Verified: in sync with the newest receipt"),
  SecretDriftDetected: (detail) => ({
    mood: "warn",
    text: detail.startsWith("GONE") ? "Verified: gone from the engine" : "Verified: drifted, the engine holds something else",
  }),
  SecretImported: (detail) => ({ mood: "good", text: `m8 adopted what was in the engine${version(detail)}` }),
  SecretUndeleted: told("good", "The deleted secret is in the engine again"),
  SecretRolledBack: told("good", "An earlier version was written again"),
  SecretCopied: told("good", "The reactor put the secret at another place"),
  SecretsListed: (detail) => ({ mood: "good", text: `Names in the engine were listed: ${detail.replace("LISTED, ", "")}` }),
  SecretUploadFailed: failed,
  SecretNotesUpdated: (detail) => ({ mood: "good", text: `Notes were edited: ${detail.replace(/^\S+: /, "")}` }),
  SecretChangeProposed: (detail) => ({ mood: "step", text: `A change was proposed: ${detail}` }),
  SecretChangeApproved: () => ({ mood: "step", text: "A change was approved" }),
  SecretChangeDeclined: (detail) => ({ mood: "warn", text: detail === "" ? "A change was declined" : `A change was declined: ${detail}` }),
  SecretChangeWithdrawn: () => ({ mood: "step", text: "A change was withdrawn" }),
  SecretStoreCreated: (detail) => ({ mood: "admin", text: `The store ${named(detail)} was added; it is inactive` }),
  SecretStoreActivated: (detail) => ({ mood: "admin", text: `The store ${detail} takes requests from now on` }),
  SecretStoreDeactivated: (detail) => ({ mood: "admin", text: `The store ${detail} takes no requests from now on` }),
  DefaultSecretStoreSet: (detail) => ({ mood: "admin", text: `The store ${detail} is the default from now on` }),
  SecretStoreIdentityRotated: (detail) => ({ mood: "admin", text: `The store ${named(detail)} rotated its identity, signed by the old key and the new one` }),
  SecretStoreIdentityReplaced: (detail) => ({ mood: "warn", text: `The store ${named(detail)} got a new identity without proof: every user compares and pins anew` }),
  ReactorAttached: (detail) => ({ mood: "admin", text: `A reactor of the store ${detail} connected` }),
  ReactorDetached: (detail) => ({ mood: "gone", text: `A reactor of the store ${detail} is gone` }),
  FingerprintKeyAdopted: (detail) => ({ mood: "admin", text: `m8 took the first reactor's fingerprint key: ${detail}` }),
  FingerprintKeyRotationStarted: (detail) => ({ mood: "admin", text: `Reactors may move to another fingerprint key: ${detail}` }),
  FingerprintKeyRotationFinished: (detail) => ({ mood: "admin", text: `Only the new fingerprint key is valid from now on: ${detail}` }),
  TokenIssued: (detail) => ({ mood: "admin", text: `A credential was made: ${detail}` }),
  TokenRevoked: (detail) => ({ mood: "admin", text: `A credential is no longer valid: ${detail}` }),
  RoleBindingCreated: (detail) => ({ mood: "admin", text: `A role binding was made: ${detail}` }),
  RoleBindingChanged: (detail) => ({ mood: "admin", text: `A role binding was changed: ${detail}` }),
  RoleBindingDeleted: (detail) => ({ mood: "admin", text: `The role binding ${detail} gives nothing from now on` }),
  IssuerRegistered: (detail) => ({ mood: "admin", text: `m8 met this issuer for the first time: ${detail}` }),
  MemberRegistered: (detail) => ({ mood: "admin", text: `m8 met this member for the first time: ${detail}` }),
};

const SIGNED = /, signed by (\S+) with (SHA256:\S+)$/;

/** Return who signed the request of an event, by m8's word; "" and "" if it does not say. */
export function signedBy({ detail }: Pick<Event, "detail">): { signer: string; signer_key: string } {
  const found = SIGNED.exec(detail);
  return { signer: found?.[1] ?? "", signer_key: found?.[2] ?? "" };
}

/** Say what an event means. */
export function tell(event: Pick<Event, "type" | "detail">): Told {
  const teller = known(TELLERS, event.type);
  if (!teller) return { mood: "step", text: event.detail || event.type };
  const { signer } = signedBy(event);
  const { mood, text } = teller(event.detail.replace(SIGNED, ""));
  return { mood, text: signer === "" || mood === "step" ? text : `${text}, signed by ${signer}` };
}

/** Whether the event's sentence is this console's, or the type is unknown to it. */
export function isKnown(type: string): boolean {
  return Object.hasOwn(TELLERS, type);
}

/** The types that this console knows, for a filter, in groups. */
export const TYPE_GROUPS: readonly { title: string; types: readonly string[] }[] = [
  {
    title: "Ends of requests",
    types: [
      "SecretUploaded", "SecretDeleted", "SecretCompared", "SecretVerified", "SecretDriftDetected", "SecretImported",
      "SecretUndeleted", "SecretRolledBack", "SecretCopied", "SecretsListed", "SecretUploadFailed",
    ],
  },
  { title: "Steps of requests", types: ["SecretUploadKeyRequested", "SecretUploadKeyProvided", "SecretUploadRequested", "SecretUploadStarted"] },
  { title: "Notes", types: ["SecretNotesUpdated"] },
  { title: "Changes", types: ["SecretChangeProposed", "SecretChangeApproved", "SecretChangeDeclined", "SecretChangeWithdrawn"] },
  {
    title: "Administration",
    types: [
      "SecretStoreCreated", "SecretStoreActivated", "SecretStoreDeactivated", "DefaultSecretStoreSet", "SecretStoreIdentityRotated",
      "SecretStoreIdentityReplaced", "ReactorAttached", "ReactorDetached", "FingerprintKeyAdopted", "FingerprintKeyRotationStarted",
      "FingerprintKeyRotationFinished", "TokenIssued", "TokenRevoked", "RoleBindingCreated", "RoleBindingChanged", "RoleBindingDeleted",
      "IssuerRegistered", "MemberRegistered",
    ],
  },
];

const WAITS: Record<string, string> = {
  SecretUploadKeyRequested: "waits for a reactor",
  SecretUploadKeyProvided: "waits for what is to be sealed",
  SecretUploadRequested: "is with the reactor",
  SecretUploadStarted: "is being written",
};

/** Say what a request waits for, by the type of its last event. */
export function waitsFor(type: string): string {
  return known(WAITS, type) ?? (type === "" ? "open" : type);
}
