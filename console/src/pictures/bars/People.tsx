/** Who did what: one row for each, the busiest first, with a bar of how their requests ended. */

import type { Activity } from "../../api/documents/pictures";
import { Person } from "../../parts";
import { byKind, counted, endWords, KIND_WORDS, KINDS, total } from "../words/outcomes";
import { Pattern } from "./Bars";

interface Row {
  actor: string;
  outcomes: Record<string, number>;
  all: number;
}

/** The busiest first; at most `most`, and how many more there are. */
function rowsOf(people: Activity["people"], most: number): { rows: Row[]; more: number } {
  const rows = people.map(({ actor, outcomes }) => ({ actor, outcomes, all: total(outcomes) })).sort((a, b) => b.all - a.all || a.actor.localeCompare(b.actor));
  return { rows: rows.slice(0, most), more: Math.max(0, rows.length - most) };
}

/** `brief` says kinds and no outcomes, for walls. */
export function People({ people, most = 12, brief = false }: { people: Activity["people"]; most?: number; brief?: boolean }) {
  const { rows, more } = rowsOf(people, most);
  if (rows.length === 0) return <p class="pic-quiet pic-foot">Nobody did anything in this time.</p>;
  const busiest = rows[0]?.all ?? 1;
  return (
    <>
      <table class={brief ? "pic-people pic-people-brief" : "pic-people"}>
        <thead>
          <tr>
            <th scope="col">Who</th>
            <th scope="col">What</th>
            <th scope="col" class="pic-figure">Requests</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.actor}>
              <th scope="row"><Person of={row.actor} /></th>
              <td>
                <PersonBar row={row} busiest={busiest} />
                <span class="pic-words">{brief ? kindWordsOf(row.outcomes) : wordsOf(row.outcomes)}</span>
              </td>
              <td class="pic-figure">{row.all.toLocaleString("en")}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p class="pic-quiet pic-foot">And {counted(more, "other")}, who did less.</p>}
    </>
  );
}

/** "12 put, 3 deleted, 1 failed: the engine did not answer". */
function wordsOf(outcomes: Record<string, number>): string {
  return Object.entries(outcomes)
    .sort(([, a], [, b]) => b - a)
    .map(([outcome, count]) => `${count.toLocaleString("en")} ${endWords(outcome)}`)
    .join(", ");
}

/** "12 written, 1 failed". */
function kindWordsOf(outcomes: Record<string, number>): string {
  const counts = byKind(outcomes);
  return KINDS.filter((kind) => counts[kind] > 0).map((kind) => `${counts[kind].toLocaleString("en")} ${KIND_WORDS[kind].title.toLowerCase()}`).join(", ");
}

function PersonBar({ row, busiest }: { row: Row; busiest: number }) {
  const counts = byKind(row.outcomes);
  const id = `pic-stripes-${row.actor.replace(/[^\w-]/g, "_")}`;
  let x = 0;
  return (
    <svg class="pic-person-bar" width="100%" height="10" aria-hidden="true">
      <Pattern id={id} />
      {KINDS.filter((kind) => counts[kind] > 0).map((kind) => {
        const width = (counts[kind] / busiest) * 100;
        x += width;
        return (
          <g key={kind}>
            <title>{`${counts[kind]} ${KIND_WORDS[kind].title.toLowerCase()}`}</title>
            <rect class={`pic-kind-${kind}`} x={`${x - width}%`} width={`${width}%`} height="10" />
            {kind === "failed" && <rect x={`${x - width}%`} width={`${width}%`} height="10" fill={`url(#${id})`} />}
          </g>
        );
      })}
    </svg>
  );
}
