/** What is said of a secret, a request or a store in one word: its state, its outcome, whether it is proven, and who signed it.
 *
 * Words of state, with a colour and a picture: nobody needs to see the colour.
 * Whether a receipt of the pinned identity proves what is shown. `monoctl` has checked it; the page only says so.
 */

import type { ComponentChildren } from "preact";
import type { Proof, Signed } from "../../api/documents/shown";
import { Tip } from "../controls/Button";
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

interface ProvenProps {
  of: Proof;
  /** The picture alone, for tables. The words are in its tip. */
  brief?: boolean;
}

export function Proven({ of, brief = false }: ProvenProps) {
  const [look, icon, words, means] = said(of);
  return (
    <Tip text={means}>
      {(describedBy) => (
        <span class={`proof proof-${look} ${brief ? "proof-brief" : ""}`} tabIndex={0} role="note" aria-label={words} aria-describedby={describedBy}>
          <Icon name={icon} />
          {(!brief || of.is_false) && <span>{words}</span>}
        </span>
      )}
    </Tip>
  );
}

function said(proof: Proof): ["proven" | "word" | "false", "shieldCheck" | "shield" | "shieldOff", string, string] {
  if (proof.is_false)
    return ["false", "shieldOff", "False proof", `m8 shows a proof that is none: ${proof.why_not_proven} Do not believe this. Tell the store's operator.`];
  if (proof.proven) return ["proven", "shieldCheck", "Proven", "monoctl checked the receipt: the store's pinned identity signed this."];
  return ["word", "shield", "m8’s word", proof.why_not_proven || "Only m8 says this; no receipt proves it."];
}

/** Who signed a request, who approved it, and why it was done without the approvals that it takes. */
export function SignedBy({ of: { signer, signer_key, approvers = [], break_glass = "" } }: { of: Signed }) {
  return (
    <>
      {signer} with <code class="signer-key">{signer_key}</code>
      {approvers.map(({ principal, key }) => (
        <span key={key}>
          ; approved by {principal} with <code class="signer-key">{key}</code>
        </span>
      ))}
      {break_glass !== "" && (
        <strong>
          ; the glass was broken: {break_glass}
        </strong>
      )}
    </>
  );
}
