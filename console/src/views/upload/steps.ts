/** The walk of a request as steps. Pure. */

import type { Event, Upload } from "../../api/documents/shown";
import type { IconName } from "../../parts";
import { isOpenEnd } from "../../pictures/words/outcomes";

/** What a request of each purpose is called. */
export const PURPOSE_WORDS: Readonly<Record<string, string>> = {
  UPLOAD: "Request to put",
  PATCH: "Request to change keys",
  DELETE: "Request to delete",
  UNDELETE: "Request to undelete",
  ROLLBACK: "Request to roll back",
  GENERATE: "Request to generate",
  COMPARE: "Request to compare",
  VERIFY: "Request to verify",
  IMPORT: "Request to import",
  COPY: "Request to copy",
  LIST: "Request to list names upstream",
};

export interface Step {
  icon: IconName;
  title: string;
  what: string;
  /** "done", "now" (the request stands here), "failed", "next", or "skipped". */
  at: "done" | "now" | "failed" | "next" | "skipped";
  /** When it was done; "" if it was not, or if that is not shown. */
  when: string;
  /** Who did it; "" if that is not shown. */
  who: string;
}

const ORDER = ["REQUESTED", "GRANTED", "UPLOADING", "WRITING", "ENDED"];
const EVENTS = ["SecretUploadKeyRequested", "SecretUploadKeyProvided", "SecretUploadRequested", "SecretUploadStarted"];
/** Nothing is written for these, so no write is announced. */
const WITHOUT_WRITE = new Set(["COMPARE", "VERIFY", "IMPORT", "LIST"]);

const WORDS: readonly Pick<Step, "icon" | "title" | "what">[] = [
  { icon: "user", title: "A one-time key was asked for", what: "m8 recorded who asks for what, and where." },
  { icon: "key", title: "The reactor made the key", what: "For this request alone, and signed it with the store's identity." },
  { icon: "lock", title: "The sealed request was sent", what: "m8 carried it. It has no key that opens it." },
  { icon: "edit", title: "The write was announced", what: "The reactor opened the request in its memory and said which version it replaces." },
];

/** Make the steps of a request from its state and its events, in the order of time. */
export function stepsOf(upload: Upload, events: readonly Event[]): Step[] {
  const reached = ORDER.indexOf(upload.state);
  const ended = upload.state === "ENDED";
  const steps = WORDS.map((words, at): Step => {
    const event = events.find((one) => one.type === EVENTS[at]);
    const done = event !== undefined || (!ended && at <= reached) || (ended && events.length === 0 && upload.outcome !== "FAILED" && !isSkipped(upload, at));
    return { ...words, at: done ? "done" : ended ? "skipped" : "next", when: event?.recorded_at ?? "", who: event?.actor ?? "" };
  });
  const shown = steps.filter((step, at) => step.at !== "skipped" && !(step.at === "next" && isSkipped(upload, at)));
  const last = shown.findLast((step) => step.at === "done");
  if (!ended && last !== undefined) last.at = "now";
  return [...shown, end(upload, events)];
}

function isSkipped(upload: Upload, at: number): boolean {
  return at === 3 && (WITHOUT_WRITE.has(upload.purpose) || upload.outcome === "UNCHANGED");
}

function end(upload: Upload, events: readonly Event[]): Step {
  const last = upload.state === "ENDED" ? events.find((one) => !EVENTS.includes(one.type)) : undefined;
  const when = upload.state === "ENDED" ? (last?.recorded_at ?? upload.changed_at) : "";
  const who = last?.actor ?? "";
  if (upload.state !== "ENDED") return { icon: "shieldCheck", title: "The receipt", what: "The reactor signs what became of it, and erases the key.", at: "next", when, who };
  if (isUnknown(upload)) return { icon: "alert", title: "It ended, and nobody knows how", what: "No receipt says that it was done, or that it was not.", at: "failed", when, who };
  if (isM8sWord(upload)) return { icon: "shield", title: "It ended", what: "m8 says how, and shows you no receipt.", at: "done", when, who };
  if (upload.outcome === "FAILED" || upload.outcome === "") return { icon: "alert", title: "It ended without success", what: endWords(upload), at: "failed", when, who };
  return { icon: "shieldCheck", title: "The reactor signed the receipt", what: "It says what became of the request. The key is erased.", at: "done", when, who };
}

/** Whether nobody knows if a write was done: the receipt leaves it open, or m8 alone says so, or says that it is open. */
export function isUnknown({ purpose, outcome, reason, state, m8_says }: Upload): boolean {
  if (state !== "ENDED" || WITHOUT_WRITE.has(purpose)) return reason === "OUTCOME_UNKNOWN";
  if (isOpenEnd(reason)) return true;
  return outcome === "" && isOpenEnd(m8_says.replace(/^FAILED: /, ""));
}

/** Whether m8 says that it was done and shows no receipt, as to auditors: receipts hold hashes. */
function isM8sWord({ outcome, has_receipt, m8_says }: Upload): boolean {
  return outcome === "" && !has_receipt && m8_says !== "" && !m8_says.startsWith("FAILED");
}

function endWords(upload: Upload): string {
  if (upload.outcome === "FAILED") return "The reactor signed a receipt that says so.";
  return "No receipt that counts says what became of it.";
}
