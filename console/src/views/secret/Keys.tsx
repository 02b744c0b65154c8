/** The keys of a secret, each with its hash and where else the same value stands. */

import type { Group } from "../../api/documents/pictures";
import type { Secret } from "../../api/documents/secrets";
import { Card, Hash, Icon, Link } from "../../parts";
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
