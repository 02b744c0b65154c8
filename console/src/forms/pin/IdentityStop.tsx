/** A full stop: a store shows another identity than the pinned one, or a proof does not verify. Nothing here accepts it. */

import { useId, useLayoutEffect, useRef } from "preact/hooks";
import type { Failure } from "../../api/documents/failure";
import type { Store } from "../../api/documents/stores";
import { Button, Icon } from "../../parts";
import { Marked } from "./Identity";

interface StopProps {
  /** The store, if it is known. */
  store: Store | undefined;
  /** What monoctl said, if it refused a call. */
  failure?: Failure | undefined;
  /** Leave the form. There is no other way on. */
  leave: () => void;
}

/** Fill the page with the warning, until the user leaves. */
export function IdentityStop({ store, failure, leave }: StopProps) {
  const id = useId();
  const element = useShown();
  const message = failure?.message ?? store?.identity_message ?? "";
  const fix = failure?.fix ?? store?.identity_fix ?? "";
  const shown = store !== undefined && store.pinned !== "" && store.pinned !== store.identity ? store : undefined;
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
        <h2 id={`${id}-title`}>Stop. {store === undefined ? "This store" : `The store “${store.name}”`} is not the one that you trusted.</h2>
        <div id={`${id}-text`}>
          <p class="stop-message">{message}</p>
          <p>
            <strong>Nothing more is sent to it.</strong> Perhaps its operator set it up anew. Perhaps somebody wants to read what you put. This page cannot tell these apart, and so it cannot go on.
          </p>
        </div>
        {shown !== undefined && <Both pinned={shown.pinned} identity={shown.identity} />}
        <h3>What to do now</h3>
        <p>{fix}</p>
        <p>In person and by telephone are other ways. m8 is none: it is what shows you this identity.</p>
        <div class="form-actions">
          <Button kind="primary" onClick={leave}>
            Leave
          </Button>
        </div>
      </div>
    </dialog>
  );
}

/** Open the dialog over everything, as long as it is in the page. */
export function useShown() {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return element;
}

function Both({ pinned, identity }: { pinned: string; identity: string }) {
  return (
    <dl class="stop-both">
      <dt>You trusted</dt>
      <dd>
        <Marked identity={pinned} other={identity} />
      </dd>
      <dt>m8 shows now</dt>
      <dd>
        <Marked identity={identity} other={pinned} />
      </dd>
    </dl>
  );
}
