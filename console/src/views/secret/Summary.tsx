/** A secret in short: what m8 shows of it, and its keys. */

import type { Group } from "../../api/documents/pictures";
import type { Secret } from "../../api/documents/shown";
import { Card, CopyButton, Expiry, Facts, Hash, Icon, Labels, Link, Person, SignedBy, Status, STATUSES, Time } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import { useAnswer } from "../../state/answer";
import { go } from "../../state/navigation";

export function Keys({ secret }: { secret: Secret }) {
  const keys = Object.entries(secret.values).sort(([a], [b]) => a.localeCompare(b));
  // Groups are many: they are asked for only if this secret is in one.
  const { data } = useAnswer<{ groups: Group[] }>(secret.same_elsewhere > 0 ? "groups" : null);
  if (keys.length === 0) return null;
  const groups = new Map(data?.groups.map((group) => [group.fingerprint, group]));
  return (
    <Card title={keys.length === 1 ? "One key" : `${keys.length} keys`}>
      <ul class="key-list">
        {keys.map(([key, hash]) => (
          <li key={key}>
            <span class="key-name">
              <Icon name="key" />
              <code>{key}</code>
            </span>
            <Hash hash={hash} copy />
            <Same group={groups.get(hash)} uri={secret.uri} name={key} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Same({ group, uri, name }: { group: Group | undefined; uri: string; name: string }) {
  if (group === undefined || group.places.length < 2) return null;
  return (
    <Link class="same" at={`same ${name}`} onClick={() => go({ view: "same-values", uri })}>
      <Icon name="same" />
      same value in {group.places.length.toLocaleString("en")} places
    </Link>
  );
}

export function Summary({ secret }: { secret: Secret }) {
  return (
    <Card
      title="Summary"
      actions={
        <CopyButton text={secret.uri} what="URI">
          Copy the URI
        </CopyButton>
      }
    >
      <Facts
        of={[
          ["Hash", secret.hash === "" ? <span class="faint">not shown: it takes the right “see-hash”</span> : <Hash hash={secret.hash} whole copy />],
          ["Version", <VersionText secret={secret} />],
          ["Changed", <Changed secret={secret} />],
          secret.signer === "" ? null : ["Signed by", <SignedBy of={secret} />],
          ["Sync", <Sync secret={secret} />],
          ["Expires", <Expiry on={secret.expires_on} never="no day is noted" />],
          ["Labels", <Labels of={secret.labels} none="none" />],
          secret.notes_edited_by === "" ? null : ["Notes edited", <Edited secret={secret} />],
          secret.proven || secret.is_false ? null : ["Not proven", secret.why_not_proven],
        ]}
      />
    </Card>
  );
}

function Changed({ secret }: { secret: Secret }) {
  return (
    <>
      <Time at={secret.changed_at} /> by <Person of={secret.subject} />
      {secret.request_id !== "" && (
        <>
          {" · "}
          <Link at="request" onClick={() => go({ view: "upload", requestId: secret.request_id })}>
            request
          </Link>
        </>
      )}
    </>
  );
}

function Edited({ secret }: { secret: Secret }) {
  return (
    <>
      <Time at={secret.notes_edited_at} /> by <Person of={secret.notes_edited_by} />, as m8 says
    </>
  );
}

function VersionText({ secret }: { secret: Secret }) {
  if (secret.upstream_version === "") return <span class="faint">none</span>;
  return (
    <>
      <code title={secret.upstream_version}>{shortVersion(secret.upstream_version)}</code>
      {secret.prior_version !== "" && <span class="faint"> after {shortVersion(secret.prior_version)}</span>}
    </>
  );
}

function Sync({ secret }: { secret: Secret }) {
  return (
    <div class="sync">
      <span class="sync-now">
        <Status of={secret.status} />
        {secret.verified_at !== "" && (
          <span>
            verified <Time at={secret.verified_at} />
          </span>
        )}
      </span>
      <span class="small faint">{STATUSES[secret.status]?.means}</span>
    </div>
  );
}
