/** The history of a secret: its versions and the edits of its notes, and what changed with each.
 *
 * The history of a secret as a line, the newest at the top: solid while something was upstream, broken while nothing was.
 * The same content has the same colour, so one sees that a roll back brought something back.
 */

import type { Secret, Store, Version } from "../../api/documents/shown";
import { notAble, notAllowed } from "../../forms/able";
import { Button, Card, Empty, FailureBox, Hash, hueOf, Icon, type IconName, lengthWords, Link, Person, Proven, SignedBy, Skeleton, Time } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import type { Answer } from "../../state/answer";
import { useMe } from "../../state/me";
import { go } from "../../state/navigation";
import { openForm } from "../../state/openForm";

interface Entry {
  version: Version;
  icon: IconName;
  look: "written" | "removed" | "noted" | "kept";
  /** What happened, in words, e.g. "Put as version 7". */
  title: string;
  /** The hash of what was upstream from then on; "" for nothing; null if that is not known. */
  content: string | null;
  /** Whether the user may want to write it again: it is an earlier version than the one that is there. */
  earlier: boolean;
}

/** Make entries of versions, the newest first as they come. `current` is the version that is upstream now, "" for none. */
function entriesOf(versions: readonly Version[], current: string, short: (version: string) => string): Entry[] {
  let content: string | null = null;
  const upwards = [...versions].reverse().map((version) => {
    content = contentAfter(version, content);
    return { version, content, ...told(version, short), earlier: isEarlier(version, current) };
  });
  return upwards.reverse();
}

function contentAfter(version: Version, before: string | null): string | null {
  if (version.outcome === "DELETED") return "";
  if (version.outcome === "EDITED") return before;
  return version.hash === "" ? null : version.hash;
}

function isEarlier({ outcome, upstream_version }: Version, current: string): boolean {
  return upstream_version !== "" && upstream_version !== current && outcome !== "DELETED" && outcome !== "EDITED";
}

function told(version: Version, short: (version: string) => string): Pick<Entry, "icon" | "look" | "title"> {
  const number = version.upstream_version === "" ? "" : short(version.upstream_version);
  const as = number === "" ? "" : ` as version ${number}`;
  switch (version.outcome) {
    case "UPLOADED":
      return { ...written(version.purpose, as), look: "written" };
    case "UNCHANGED":
      return { icon: "same", look: "kept", title: "Put again: the same content was there" };
    case "IMPORTED":
      return { icon: "down", look: "written", title: `Imported${as}` };
    case "DELETED":
      return { icon: "trash", look: "removed", title: "Deleted" };
    case "UNDELETED":
      return { icon: "undo", look: "written", title: number === "" ? "Undeleted" : `Undeleted: version ${number} is back` };
    case "ROLLED_BACK":
      return { icon: "rollback", look: "written", title: `Rolled back${as}` };
    case "EDITED":
      return { icon: "tag", look: "noted", title: `Notes edited: ${version.edit}` };
    default:
      return { icon: "dot", look: "noted", title: `${version.outcome}${as}` };
  }
}

function written(purpose: string, as: string): Pick<Entry, "icon" | "title"> {
  if (purpose === "GENERATE") return { icon: "wand", title: `Generated${as}` };
  if (purpose === "PATCH") return { icon: "edit", title: `Some keys changed${as}` };
  return { icon: "up", title: `Put${as}` };
}

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
            <Time at={version.changed_at} /> by <Person of={version.subject} />
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
