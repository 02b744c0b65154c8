/** The notes of a secret after an edit. They are m8's word: no store signed them. */

import type { Secret } from "../../api/types";
import { go } from "../../app/navigation";
import { Expiry, Facts, Link, Outcome, Proven, Uri } from "../../parts";

const M8S_WORD = { proven: false, is_false: false, why_not_proven: "Labels and a day of expiry that were edited are m8’s word: no store signed them." };

/** Show labels and the day as they are now. */
export function NotesNow({ secret, close }: { secret: Secret; close: () => void }) {
  const labels = Object.entries(secret.labels);
  const leave = () => {
    close();
    go({ view: "secret", uri: secret.uri });
  };
  return (
    <div class="done">
      <div class="done-head">
        <Link class="uri" onClick={leave}>
          <Uri uri={secret.uri} still />
        </Link>
        <Outcome of="EDITED" />
        <Proven of={M8S_WORD} />
      </div>
      <Facts
        of={[
          [
            "Labels",
            labels.length === 0 ? (
              <span class="faint">none</span>
            ) : (
              <span class="inline-list">
                {labels.map(([name, value]) => (
                  <span class="label" key={name}>
                    <b>{name}</b> {value}
                  </span>
                ))}
              </span>
            ),
          ],
          ["Expires", <Expiry on={secret.expires_on} never="never" />],
        ]}
      />
    </div>
  );
}
