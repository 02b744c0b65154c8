/** The notes of a secret after an edit. They are m8's word: no store signed them. */

import type { Done } from "../../api/documents/results";
import type { Secret } from "../../api/documents/secrets";
import { Expiry, Facts, Labels, Link, Outcome, Proven, Uri } from "../../parts";
import { useAnswer } from "../../state/answer";
import { go } from "../../state/navigation";

const UNSIGNED = { proven: false, is_false: false, why_not_proven: "Labels and a day of expiry that were edited are m8’s word: no store signed them." };

/** What every edit of notes says of itself. */
export const M8S_WORD = "No store is asked: m8 records who edited what, and shows it as its own word.";

/** Show labels and the day as they are now. */
export function NotesNow({ result, close }: { result: Done; close: () => void }) {
  const { uri } = result;
  const secret = useAnswer<Secret>("secret", { uri }).data;
  const leave = () => {
    close();
    go({ view: "secret", uri });
  };
  return (
    <div class="done">
      <div class="done-head">
        <Link class="uri" onClick={leave}>
          <Uri uri={uri} still />
        </Link>
        <Outcome of="EDITED" />
        <Proven of={UNSIGNED} />
      </div>
      {secret?.uri === uri && <Facts of={[["Labels", <Labels of={secret.labels} none="none" />], ["Expires", <Expiry on={secret.expires_on} never="never" />]]} />}
    </div>
  );
}
