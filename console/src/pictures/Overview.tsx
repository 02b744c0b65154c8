/** The strip above the secrets: how many there are, and what somebody should look at. Each figure links. */

import type { Group, SecretsPage } from "../api/types";
import { useAnswer } from "../app/answer";
import { go, type Place } from "../app/navigation";
import { counted } from "./kinds";

const DRIFT = ["DRIFTED", "GONE", "OVERWROTE"];
/** Each question is about few rows: the figure is `total`. The groups are long, so they are asked for once all secrets are read. */
const FEW = { page_size: 1 };

export function Overview() {
  const all = useAnswer<SecretsPage>("secrets", FEW);
  const expiring = useAnswer<SecretsPage>("secrets", { ...FEW, expiring_days: 30 });
  const same = useAnswer<{ groups: Group[] }>(all.data?.complete ? "groups" : null, {}, { when: (message) => message.kind === "secrets" && message.complete });
  const drifted = all.data && DRIFT.reduce((sum, status) => sum + (all.data?.statuses[status] ?? 0), 0);
  return (
    <ul class="pic-strip" aria-label="In short">
      <Figure count={all.data?.total} word={all.data?.total === 1 ? "secret" : "secrets"} place={{ view: "secrets" }} />
      <Figure count={expiring.data?.total} word="expired or expiring within 30 days" place={{ view: "expiring" }} loud />
      <Figure count={drifted} word="with drift" place={{ view: "drift" }} loud />
      <Figure count={same.data?.groups.length} word={same.data?.groups.length === 1 ? "value in several places" : "values in several places"} place={{ view: "same-values" }} loud />
    </ul>
  );
}

function Figure({ count, word, place, loud = false }: { count: number | undefined; word: string; place: Place; loud?: boolean }) {
  const said = count === undefined ? `… ${word}` : counted(count, word, word);
  return (
    <li>
      <button type="button" role="link" data-at={`overview ${place.view}`} class={loud && count ? "pic-strip-figure pic-strip-loud" : "pic-strip-figure"} aria-label={said} onClick={() => go(place)}>
        <strong>{count === undefined ? "…" : count.toLocaleString("en")}</strong> <span>{word}</span>
      </button>
    </li>
  );
}
