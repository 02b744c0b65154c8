/** What ended how, in numbers: each kind with its outcomes. It explains the colours of the bars, too. */

import { counted, KIND_WORDS, KINDS, kindOf, endWords } from "../words/outcomes";
import { KindMark } from "./Pattern";

/** `brief` leaves the outcomes out. */
export function Legend({ outcomes, brief = false }: { outcomes: Record<string, number>; brief?: boolean }) {
  const kinds = KINDS.map((kind) => ({
    kind,
    outcomes: Object.entries(outcomes)
      .filter(([outcome, count]) => count > 0 && kindOf(outcome) === kind)
      .sort(([, a], [, b]) => b - a),
  })).filter((one) => one.outcomes.length > 0);
  if (kinds.length === 0) return null;
  return (
    <ul class={brief ? "pic-legend pic-legend-brief" : "pic-legend"}>
      {kinds.map(({ kind, outcomes: some }) => (
        <li key={kind} class={kind === "failed" ? "pic-legend-kind pic-legend-failed" : "pic-legend-kind"} title={KIND_WORDS[kind].meaning}>
          <KindMark kind={kind} />
          <span class="pic-legend-title">{KIND_WORDS[kind].title}</span>
          <strong class="pic-legend-count">{some.reduce((sum, [, count]) => sum + count, 0).toLocaleString("en")}</strong>
          {!brief && <ul class="pic-legend-outcomes">
            {some.map(([outcome, count]) => (
              <li key={outcome}>
                <span>{endWords(outcome).replace(/^failed: /, "")}</span>
                <span class="pic-figure" aria-label={counted(count, "request")}>{count.toLocaleString("en")}</span>
              </li>
            ))}
          </ul>}
        </li>
      ))}
    </ul>
  );
}
