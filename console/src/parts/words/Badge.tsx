/** Words of state, with a colour and a picture: nobody needs to see the colour. */

import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "../Icon";

export type Tone = "good" | "warn" | "bad" | "info" | "plain";

export function Badge({ tone = "plain", icon, title, children }: { tone?: Tone; icon?: IconName; title?: string; children: ComponentChildren }) {
  return (
    <span class={`badge badge-${tone}`} title={title}>
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </span>
  );
}

/** What each status of a secret is called, and what it means. */
export const STATUSES: Readonly<Record<string, { text: string; tone: Tone; icon: IconName; means: string }>> = {
  IN_SYNC: { text: "In sync", tone: "good", icon: "check", means: "When it was last verified, the engine held what the newest receipt says." },
  DRIFTED: { text: "Drifted", tone: "bad", icon: "drift", means: "When it was last verified, the engine held something that no receipt names." },
  GONE: { text: "Gone", tone: "bad", icon: "alert", means: "When it was last verified, the engine held nothing." },
  OVERWROTE: { text: "Overwrote", tone: "warn", icon: "alert", means: "Its last put replaced what others had put. It was not verified since." },
  DELETED: { text: "Deleted", tone: "plain", icon: "trash", means: "It was deleted through m8." },
  "": { text: "Not verified", tone: "plain", icon: "minus", means: "Nobody has asked the engine since it was last put." },
};

/** The status of a secret in a word. An unknown one is shown as it is. */
export function Status({ of }: { of: string }) {
  const known = STATUSES[of];
  if (known === undefined) return <Badge>{of}</Badge>;
  return (
    <Badge tone={known.tone} icon={known.icon} title={known.means}>
      {known.text}
    </Badge>
  );
}

const BAD_OUTCOMES = new Set(["FAILED", "EXPIRED", "GONE", "DRIFTED", "DIFFERENT"]);
const QUIET_OUTCOMES = new Set(["UNCHANGED", "DELETED", "EDITED", "LISTED"]);

/** The words of an outcome, e.g. ROLLED_BACK as "Rolled back". */
export function outcomeWords(outcome: string): string {
  const words = outcome.replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The outcome of a request. */
export function Outcome({ of }: { of: string }) {
  const tone: Tone = BAD_OUTCOMES.has(of) ? "bad" : QUIET_OUTCOMES.has(of) ? "plain" : "good";
  const icon: IconName = BAD_OUTCOMES.has(of) ? "alert" : of === "DELETED" ? "trash" : of === "EDITED" ? "edit" : of === "UNCHANGED" ? "same" : "check";
  return (
    <Badge tone={tone} icon={icon}>
      {outcomeWords(of)}
    </Badge>
  );
}
