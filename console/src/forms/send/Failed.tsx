/** One secret for which it failed: what happened, what to do, and what is not known. */

import type { ComponentChildren } from "preact";
import type { Failure } from "../../api/documents/failure";
import { Button, FailureBox, Icon, Said, Uri } from "../../parts";
import { go } from "../../state/navigation";

interface FailedProps {
  failure: Failure;
  /** The secret, if the failure does not name it. */
  uri?: string;
  /** Of the request; "" if that is not known. */
  requestId?: string;
  /** Leave the form. */
  close: () => void;
}

/** Show a failure. After OUTCOME_UNKNOWN it says what may have happened, and leads to the request. */
export function Failed({ failure, uri = "", requestId = "", close }: FailedProps) {
  const about = failure.uri || uri;
  const request = failure.request_id || requestId;
  const look = () => {
    close();
    go(request === "" ? { view: "secret", uri: about } : { view: "upload", requestId: request, uri: about });
  };
  const button = (about !== "" || request !== "") && (
    <Button small icon="search" onClick={look}>
      {request === "" ? "Look at the secret" : "Look at the request"}
    </Button>
  );
  return (
    <section class="send-failed">
      {about !== "" && <Uri uri={about} still />}
      {failure.code === "OUTCOME_UNKNOWN" ? <Unknown failure={failure}>{button}</Unknown> : <FailureBox failure={failure}>{request !== "" && button}</FailureBox>}
    </section>
  );
}

/** What is not known, and what may be the case. */
function Unknown({ failure, children }: { failure: Failure; children: ComponentChildren }) {
  return (
    <div class="box box-warn unknown" role="alert">
      <Icon name="alert" />
      <div class="box-text">
        <p class="box-title">It may or may not have been done.</p>
        <p>
          <Said text={failure.message} />
        </p>
        <ul>
          <li>Either the store did it, and only its receipt did not come back.</li>
          <li>Or it did nothing. What was there before is then still there.</li>
        </ul>
        <p>
          <Said text={failure.fix || "Look at the request before you try again."} />
        </p>
        <div class="box-actions">{children}</div>
      </div>
    </div>
  );
}
