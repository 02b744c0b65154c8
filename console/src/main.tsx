/** The start: take the token, begin the session, show the console. */

import { render } from "preact";
import { begin, Refused } from "./api/call";
import { Layout } from "./frame/Layout";
import { NotBegun } from "./frame/NotBegun";
import { foreknow } from "./state/answer";
import { drawRestAfterPaint } from "./state/cell";
import { follow as followLive } from "./state/live";
import { away, me } from "./state/me";
import { follow } from "./state/navigation";

async function start(root: Element): Promise<void> {
  const withToken = location.hash.length > 1;
  try {
    // It replaces the entry of the browser's history that `follow` marks.
    const begun = await begin();
    follow();
    me.set(begun.me);
    away.set(begun.me.away);
    if (begun.first !== undefined) foreknow("secrets", {}, begun.first);
    render(<Layout />, root);
    drawRestAfterPaint();
    void followLive();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // Without a token the page was reloaded: the address lost it at the first load.
    render(<NotBegun failure={error.failure} isReloaded={!withToken} />, root);
  }
}

// A new one-time link, opened in a tab that shows this page already, changes the fragment alone: it begins anew.
addEventListener("hashchange", () => location.hash.length > 1 && location.reload());

const root = document.getElementById("console");
if (root !== null) void start(root);
