/** The strip above the table of secrets, and its columns. */

import type { Figures, Secret } from "../../api/documents/shown";
import { type Column, Expiry, Hash, Icon, Labels, Link, Person, Proven, Status, Time, Uri } from "../../parts";
import { grouped, shortVersion } from "../../parts/words/Labels";
import { counted } from "../../pictures/words/outcomes";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";

export const COLUMNS: readonly Column<Secret>[] = [
  {
    id: "uri",
    title: "Secret",
    sort: "uri",
    look: "main",
    cell: (secret) => (
      <>
        <Uri uri={secret.uri} />
        <Labels of={secret.labels} />
      </>
    ),
  },
  {
    id: "hash",
    title: "Hash",
    cell: (secret) => (
      <span class="hash-cell">
        <Hash hash={secret.hash} />
        <Same secret={secret} />
      </span>
    ),
  },
  {
    id: "version",
    title: "Version",
    sort: "version",
    look: "number",
    cell: (secret) => (secret.upstream_version === "" ? <span class="faint">–</span> : <code title={secret.upstream_version}>{shortVersion(secret.upstream_version)}</code>),
  },
  {
    id: "changed",
    title: "Changed",
    sort: "changed",
    look: "tight",
    // Where the table is narrow, who it was stands below, and the column beside is not shown.
    cell: (secret) => (
      <div>
        <Time at={secret.changed_at} quiet />
        <span class="by-below">by <Person of={secret.subject} /></span>
      </div>
    ),
  },
  { id: "by", title: "By", sort: "by", look: "wide", cell: (secret) => <span class="subject"><Person of={secret.subject} /></span> },
  { id: "expires", title: "Expires", sort: "expires", look: "tight", cell: (secret) => <Expiry on={secret.expires_on} /> },
  {
    id: "sync",
    title: "Sync",
    sort: "sync",
    look: "tight",
    cell: (secret) => <Status of={secret.status} />,
  },
  { id: "proof", title: "Proof", look: "tight", quiet: true, cell: (secret) => <Proven of={secret} brief /> },
];

/** In how many other places the same value stands, with a link to the picture of them. */
function Same({ secret }: { secret: Secret }) {
  if (secret.same_elsewhere === 0) return null;
  const places = secret.same_elsewhere === 1 ? "1 other place" : `${secret.same_elsewhere} other places`;
  const values = Object.keys(secret.values).length > 1 ? "Values of it stand" : "The same value stands";
  return (
    <Link class="same" at={`same ${secret.uri}`} label={`${values} in ${places}, too`} onClick={() => go({ view: "same-values", uri: secret.uri })}>
      <Icon name="same" />
      {secret.same_elsewhere}
    </Link>
  );
}

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
