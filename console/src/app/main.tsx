/** The start: take the token, begin the session, show the console. */

import { render } from "preact";
import { begin, Refused } from "../api/call";
import type { Failure } from "../api/types";
import { Layout } from "./layout";
import { follow as followLive } from "./live";
import { away, me } from "./me";
import { follow } from "./navigation";
import { NotBegun } from "./not_begun";

async function start(root: Element): Promise<void> {
  const withToken = location.hash.length > 1;
  follow();
  try {
    const begun = await begin();
    me.set(begun.me);
    away.set(begun.me.away);
    render(<Layout />, root);
    void followLive();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    render(<NotBegun why={whyOf(error.failure, withToken)} failure={error.failure} />, root);
  }
}

/** Without a token the page was reloaded: the address lost it at the first load. */
function whyOf(failure: Failure, withToken: boolean): "gone" | "used" | "reloaded" {
  if (failure.code === "CONSOLE_GONE") return "gone";
  return withToken ? "used" : "reloaded";
}

const root = document.getElementById("console");
if (root !== null) void start(root);
