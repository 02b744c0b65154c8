/** What is shown when no session could begin, or when it has ended. */

import type { Failure } from "../api/documents/failure";
import { Icon, type IconName, Said } from "../parts";

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
