/** The history of a secret as a line, the newest at the top: solid while something was upstream, broken while nothing was.
 * The same content has the same colour, so one sees that a roll back brought something back.
 */

import type { Secret, Version } from "../../api/documents/secrets";
import type { Store } from "../../api/documents/stores";
import { notAble, notAllowed } from "../../forms/able";
import { shortVersion } from "../../parts/words/version";
import { Button, Card, Empty, FailureBox, Hash, hueOf, Icon, lengthWords, Link, Proven, SignedBy, Skeleton, Time } from "../../parts";
import type { Answer } from "../../state/answer";
import { useMe } from "../../state/me";
import { go } from "../../state/navigation";
import { openForm } from "../../state/openForm";
import { entriesOf, type Entry } from "./entries";

interface HistoryProps {
  answer: Answer<{ versions: Version[] }>;
  secret: Secret;
  store: Store | undefined;
}

export function History({ answer, secret, store }: HistoryProps) {
  const who = useMe();
  const { data, failure, loading, again } = answer;
  const current = secret.deleted ? "" : secret.upstream_version;
  const entries = entriesOf(data?.versions ?? [], current, shortVersion);
  const now = entries.findIndex(({ version }) => current !== "" && version.upstream_version === current);
  const why = notAllowed("rollback", who) || (store === undefined ? "" : notAble("rollback", store));
  return (
    <Card title="History">
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone="warn" />}
      {loading && <Skeleton lines={4} />}
      {data !== undefined && entries.length === 0 && (
        <Empty icon="clock" title="No history">
          m8 shows no version of this secret.
        </Empty>
      )}
      {entries.length > 0 && (
        <ol class="history" aria-label="The newest first">
          {entries.map((entry, at) => (
            <One key={`${entry.version.changed_at} ${entry.version.request_id}`} entry={entry} before={entries[at + 1]} uri={secret.uri} isNow={at === now} why={why} />
          ))}
        </ol>
      )}
    </Card>
  );
}

interface OneProps {
  entry: Entry;
  /** The entry before it in time. */
  before: Entry | undefined;
  uri: string;
  isNow: boolean;
  /** Why nothing can be rolled back; "" if it can. */
  why: string;
}

function One({ entry, before, uri, isNow, why }: OneProps) {
  const { version, look, icon, title, earlier } = entry;
  return (
    <li class={`entry entry-${look} ${lineOf(before)}`}>
      <span class={`entry-mark ${look === "written" ? hueOf(entry.content ?? "") : ""}`}>
        <Icon name={icon} />
      </span>
      <div class="entry-body">
        <p class="entry-title">
          {title}
          {version.outcome === "ROLLED_BACK" && version.prior_version !== "" && <span class="entry-aside">in place of {shortVersion(version.prior_version)}</span>}
          {isNow && <span class="entry-now">now upstream</span>}
        </p>
        <p class="entry-facts">
          <span>
            <Time at={version.changed_at} /> by {version.subject}
          </span>
          {version.hash !== "" && <Hash hash={version.hash} />}
          <Proven of={version} />
          {version.signer !== "" && (
            <span>
              signed by <SignedBy of={version} />
            </span>
          )}
          {version.request_id !== "" && (
            <Link at={`request ${version.request_id}`} onClick={() => go({ view: "upload", requestId: version.request_id })}>
              request
            </Link>
          )}
        </p>
      </div>
      {earlier && look === "written" && (
        <span class="entry-do">
          <Button small icon="rollback" why={why} onClick={() => openForm("rollback", { uri, version: version.upstream_version })}>
            Roll back to this
          </Button>
        </span>
      )}
      <Between entry={entry} before={before} />
    </li>
  );
}

/** The line below an entry shows what was upstream before it. */
function lineOf(before: Entry | undefined): string {
  if (before === undefined) return "line-none";
  if (before.content === "") return "line-gone";
  return before.content === null ? "line-unknown" : hueOf(before.content);
}

/** How long nothing happened, if that is long. */
function Between({ entry, before }: { entry: Entry; before: Entry | undefined }) {
  if (before === undefined) return null;
  const seconds = (Date.parse(entry.version.changed_at) - Date.parse(before.version.changed_at)) / 1000;
  if (!(seconds > 86_400)) return null;
  return <p class="entry-between">{before.content === "" ? `nothing upstream for ${lengthWords(seconds)}` : lengthWords(seconds)}</p>;
}
