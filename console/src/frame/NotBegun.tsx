/** What stands in place of the page: without a session, or once the log of m8 does not hold.
 *
 * A full stop of the whole page: the log of m8 does not fit the one that this machine knows. Nothing here accepts another one.
 */

import type { Failure } from "../api/documents/sending";
import { Banner, Button, Icon, type IconName, Said, Stop } from "../parts";
import { useCell } from "../state/cell";
import { stop, stopLeft } from "../state/me";

/** By the code of the failure: a picture, what to say first, and whether it may be an attack. The sentences are monoctl's. */
const KNOWN: Readonly<Record<string, { icon: IconName; title: string; isLoud?: boolean }>> = {
  LINK_USED: { icon: "alert", title: "This link was used before", isLoud: true },
  LINK_ENDED: { icon: "refresh", title: "This page has no session" },
  SESSION_ENDED: { icon: "refresh", title: "The session of this page has ended" },
  BROWSER: { icon: "alert", title: "This browser lacks what the console needs" },
  CONSOLE_GONE: { icon: "server", title: "monoctl console has ended" },
};

interface NotBegunProps {
  failure: Failure;
  /** The page was loaded without a link: it was reloaded, or opened from a bookmark. */
  isReloaded?: boolean;
}

export function NotBegun({ failure, isReloaded = false }: NotBegunProps) {
  const { icon, title, isLoud = false } = KNOWN[failure.code] ?? { icon: "alert", title: "The console could not begin" };
  return (
    <main class="alone">
      <div class="alone-box" role="alert">
        <span class={`alone-icon ${isLoud ? "alone-warn" : ""}`}>
          <Icon name={icon} />
        </span>
        {isReloaded && failure.code !== "CONSOLE_GONE" && failure.code !== "BROWSER" ? (
          <Reloaded />
        ) : (
          <>
            <h1 tabIndex={-1}>{title}</h1>
            {failure.by_m8 && <p class="box-source">m8 says, unchecked:</p>}
            <p>
              <Said text={failure.message} />
            </p>
            {failure.fix !== "" && (
              <p class="alone-do">
                <Said text={failure.fix} />
              </p>
            )}
          </>
        )}
      </div>
    </main>
  );
}

function Reloaded() {
  return (
    <>
      <h1 tabIndex={-1}>This page was reloaded</h1>
      <p>A session lives in one page. It is gone when that page is reloaded. Nothing that was sent is lost.</p>
      <p class="alone-do">
        Press <kbd>Enter</kbd> in the terminal where <code>monoctl console</code> runs: it opens a new page.
      </p>
    </>
  );
}

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
