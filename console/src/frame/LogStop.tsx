/** A full stop of the whole page: the log of m8 does not fit the one that this machine knows. Nothing here accepts another one. */

import type { Failure } from "../api/documents/failure";
import { Banner, Button, Said, Stop } from "../parts";
import { useCell } from "../state/cell";
import { stop, stopLeft } from "../state/me";

/** Fill the page with the warning and the notes that show it, until the user leaves; behind it stands what was known before. */
export function LogStop({ failure }: { failure: Failure }) {
  if (useCell(stopLeft)) return null;
  return (
    <Stop
      title="Stop. m8 shows another log than before."
      message={failure.message}
      told={
        <>
          <strong>Nothing more is sent.</strong> Perhaps the log was renewed after a loss. Perhaps somebody changes what m8 recorded. This page cannot tell these apart, and so it cannot go on.
        </>
      }
      leave={() => stopLeft.set(true)}
    >
      <h3>What to do now</h3>
      <p>
        <Said text={failure.fix} />
      </p>
      <p>
        Once that is settled, press <kbd>Enter</kbd> in the terminal where <code>monoctl console</code> runs: it opens a new page.
      </p>
      {failure.notes?.map((note) => (
        <pre key={note} class="stop-note" tabIndex={0}>
          {note}
        </pre>
      ))}
    </Stop>
  );
}

/** What is left of it above each view when the user has left it. */
export function Stopped() {
  if (useCell(stop) === null) return null;
  return (
    <Banner
      tone="bad"
      icon="shieldOff"
      actions={
        <Button small onClick={() => stopLeft.set(false)}>
          Show why
        </Button>
      }
    >
      <strong>m8 shows another log than before.</strong> What you see was true before. Nothing more is sent from this page.
    </Banner>
  );
}
