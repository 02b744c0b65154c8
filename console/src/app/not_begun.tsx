/** What is shown when no session could begin, or when it has ended. */

import type { Failure } from "../api/types";
import { Icon } from "../parts";

const ENTER = (
  <>
    Press <kbd>Enter</kbd> in the terminal where <code>monoctl console</code> runs: it opens a new page.
  </>
);

interface NotBegunProps {
  /** "gone": monoctl does not answer. "used": the link worked once already. "reloaded": the page has lost its session. "ended": the session is over. */
  why: "gone" | "used" | "reloaded" | "ended";
  failure: Failure;
}

export function NotBegun({ why, failure }: NotBegunProps) {
  return (
    <main class="alone">
      <div class="alone-box">
        <span class={`alone-icon ${why === "used" ? "alone-warn" : ""}`}>
          <Icon name={why === "used" ? "alert" : why === "gone" ? "server" : "refresh"} />
        </span>
        <Words why={why} failure={failure} />
      </div>
    </main>
  );
}

function Words({ why, failure }: NotBegunProps) {
  if (why === "reloaded")
    return (
      <>
        <h1 tabIndex={-1}>This page was reloaded</h1>
        <p>A session lives in one page and is gone when that page is reloaded or opened from a bookmark. Nothing was lost at m8.</p>
        <p class="alone-do">{ENTER}</p>
      </>
    );
  if (why === "gone")
    return (
      <>
        <h1 tabIndex={-1}>monoctl console has ended</h1>
        <p>It ends when its last page has been closed for a minute, or with Ctrl-C in its terminal.</p>
        <p class="alone-do">
          Run <code>monoctl console</code> again. If you were sending something, look at the secret first: it may or may not be written.
        </p>
      </>
    );
  return (
    <>
      <h1 tabIndex={-1}>{failure.message}</h1>
      {failure.fix !== "" && <p>{failure.fix}</p>}
      {why === "used" && <p>If it was not you who used this link, somebody else may have: end monoctl console with Ctrl-C, then look at what was done with your credential.</p>}
      <p class="alone-do">{ENTER}</p>
    </>
  );
}
