/** What is known of a secret. */

import type { Secret } from "../../api/documents/secrets";
import { shortVersion } from "../../parts/words/version";
import { Card, CopyButton, Expiry, Facts, Hash, Labels, Link, SignedBy, Status, STATUSES, Time } from "../../parts";
import { go } from "../../state/navigation";

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
      <Time at={secret.changed_at} /> by {secret.subject}
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
      <Time at={secret.notes_edited_at} /> by {secret.notes_edited_by}, as m8 says
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
