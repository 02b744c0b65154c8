/** A full stop: a store shows another identity than the pinned one, or a proof does not verify. Nothing here accepts it. */

import type { Failure } from "../../api/documents/failure";
import type { Store } from "../../api/documents/stores";
import { Marked } from "./Identity";
import { Stop } from "../../parts";

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
  const message = failure?.message ?? store?.identity_message ?? "";
  const fix = failure?.fix ?? store?.identity_fix ?? "";
  const shown = store !== undefined && store.pinned !== "" && store.pinned !== store.identity ? store : undefined;
  return (
    <Stop
      title={`Stop. ${store === undefined ? "This store" : `The store “${store.name}”`} is not the one that you trusted.`}
      message={message}
      told={
        <>
          <strong>Nothing more is sent to it.</strong> Perhaps its operator set it up anew. Perhaps somebody wants to read what you put. This page cannot tell these apart, and so it cannot go on.
        </>
      }
      leave={leave}
    >
      {shown !== undefined && <Both pinned={shown.pinned} identity={shown.identity} />}
      <h3>What to do now</h3>
      <p>{fix}</p>
      <p>In person and by telephone are other ways. m8 is none: it is what shows you this identity.</p>
    </Stop>
  );
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
