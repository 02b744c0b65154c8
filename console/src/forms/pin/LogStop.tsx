/** A full stop: the log of m8 does not fit the one that this machine knows. Nothing here accepts another one. */

import { useId } from "preact/hooks";
import type { Failure } from "../../api/documents/failure";
import { Button, Icon } from "../../parts";
import { useShown } from "./IdentityStop";

/** Fill the page with the warning and the notes that show it, until the user leaves. */
export function LogStop({ failure, leave }: { failure: Failure; leave: () => void }) {
  const id = useId();
  const element = useShown();
  return (
    <dialog
      ref={element}
      class="stop"
      role="alertdialog"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
    >
      <div class="stop-page">
        <Icon name="shieldOff" />
        <h2 id={`${id}-title`}>Stop. m8 shows another log than before.</h2>
        <div id={`${id}-text`}>
          <p class="stop-message">{failure.message}</p>
          <p>
            <strong>Nothing more is sent.</strong> Perhaps the log was renewed after a loss. Perhaps somebody changes what m8 recorded. This page cannot tell these apart, and so it cannot go on.
          </p>
        </div>
        <h3>What to do now</h3>
        <p>{failure.fix}</p>
        {failure.notes?.map((note) => (
          <pre key={note}>{note}</pre>
        ))}
        <div class="form-actions">
          <Button kind="primary" onClick={leave}>
            Leave
          </Button>
        </div>
      </div>
    </dialog>
  );
}
