/** The strip above the secrets: how many there are, and what somebody should look at. Each figure links. */

import type { Figures } from "../../api/documents/secrets";
import { grouped } from "../../parts/words/grouped";
import { counted } from "../../pictures/words/outcomes";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";

export function Overview({ figures }: { figures: Figures | undefined }) {
  const { role, rights } = useMe();
  // Equal values are found by hashes: who sees none is not told that there are none.
  const seesHashes = role === "" || rights.includes("see-hash");
  return (
    <ul class="pic-strip" aria-label="In short">
      <Figure count={figures?.present} word={figures?.present === 1 ? "secret" : "secrets"} place={{ view: "secrets" }} />
      <Figure count={figures && figures.expired + figures.expiring} word="expired or expiring within 30 days" place={{ view: "expiring" }} loud />
      <Figure count={figures?.drifted} word="with drift" place={{ view: "drift" }} loud />
      {seesHashes && <Figure count={figures?.same_values} word={figures?.same_values === 1 ? "value in several places" : "values in several places"} place={{ view: "same-values" }} loud />}
    </ul>
  );
}

function Figure({ count, word, place, loud = false }: { count: number | undefined; word: string; place: Place; loud?: boolean }) {
  const said = count === undefined ? `… ${word}` : counted(count, word, word);
  return (
    <li>
      <button type="button" role="link" data-at={`overview ${place.view}`} class={loud && count ? "pic-strip-figure pic-strip-loud" : "pic-strip-figure"} aria-label={said} onClick={() => go(place)}>
        <strong>{count === undefined ? "…" : grouped(count)}</strong> <span>{word}</span>
      </button>
    </li>
  );
}
