/** Whether a receipt of the pinned identity proves what is shown. `monoctl` has checked it; the page only says so. */

import type { Proof } from "../../api/documents/proof";
import { Tip } from "../controls/Tip";
import { Icon } from "../Icon";

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
