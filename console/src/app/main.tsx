/** The start: take the token, begin the session, show the console. */

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { begin, Refused } from "../api/call";
import type { Failure, Me } from "../api/types";
import { follow, here, onGone } from "./navigation";
import { VIEWS } from "./views";

function Console({ me }: { me: Me }) {
  const [place, setPlace] = useState(here());
  useEffect(() => onGone(() => setPlace(here())), []);
  const view = VIEWS.find((one) => one.id === place.view);
  return <main>{view === undefined ? <p>{me.subject} at {me.server}</p> : <view.component place={place} />}</main>;
}

function NotBegun({ failure }: { failure: Failure }) {
  return (
    <main>
      <h1>{failure.message}</h1>
      <p>{failure.fix}</p>
    </main>
  );
}

async function start(root: Element): Promise<void> {
  follow();
  try {
    const { me } = await begin();
    render(<Console me={me} />, root);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    render(<NotBegun failure={error.failure} />, root);
  }
}

const root = document.getElementById("console");
if (root !== null) void start(root);
