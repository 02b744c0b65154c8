/** A full stop: the log of m8 does not fit the one that this machine knows. Nothing here accepts another one. */

import type { Failure } from "../../api/documents/failure";
import { Stop } from "./Stop";

/** Fill the page with the warning and the notes that show it, until the user leaves. */
export function LogStop({ failure, leave }: { failure: Failure; leave: () => void }) {
  return (
    <Stop
      title="Stop. m8 shows another log than before."
      message={failure.message}
      told={
        <>
          <strong>Nothing more is sent.</strong> Perhaps the log was renewed after a loss. Perhaps somebody changes what m8 recorded. This page cannot tell these apart, and so it cannot go on.
        </>
      }
      leave={leave}
    >
      <h3>What to do now</h3>
      <p>{failure.fix}</p>
      {failure.notes?.map((note) => (
        <pre key={note}>{note}</pre>
      ))}
    </Stop>
  );
}
