/** What the bars show, as a table: for screen readers, and for everybody who wants the numbers. */

import { KIND_WORDS, KINDS, total } from "../words/outcomes";
import type { Bar } from "./Bars";

export function BarsTable({ bars }: { bars: readonly Bar[] }) {
  const kinds = KINDS.filter((kind) => bars.some((bar) => bar.counts[kind] > 0));
  return (
    <details class="pic-numbers">
      <summary>The numbers as a table</summary>
      <div class="pic-scroll" tabIndex={0} role="group" aria-label="The numbers">
        <table class="pic-numbers-table">
          <caption class="unseen">How many requests ended how, by time</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {kinds.map((kind) => <th key={kind} scope="col" class="pic-figure">{KIND_WORDS[kind].title}</th>)}
            </tr>
          </thead>
          <tbody>
            {bars.filter((bar) => total(bar.counts) > 0).map((bar) => (
              <tr key={bar.title}>
                <th scope="row">{bar.title}</th>
                {kinds.map((kind) => <td key={kind} class="pic-figure">{bar.counts[kind].toLocaleString("en")}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
