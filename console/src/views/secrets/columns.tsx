/** The columns of the table of secrets. */

import type { Secret } from "../../api/documents/secrets";
import { shortVersion } from "../../parts/words/version";
import { type Column, Expiry, Hash, Icon, Labels, Link, Proven, Status, Time, Uri } from "../../parts";
import { go } from "../../state/navigation";

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
        <span class="by-below">by {secret.subject}</span>
      </div>
    ),
  },
  { id: "by", title: "By", sort: "by", look: "wide", cell: (secret) => <span class="subject">{secret.subject}</span> },
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
