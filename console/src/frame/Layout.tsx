/** The frame of the page: who and where you are, the navigation, the view, and what stands over it. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { putsNothing } from "../forms/able";
import { Button, Icon, Link } from "../parts";
import { useCell } from "../state/cell";
import { ended, stop, useMe } from "../state/me";
import { go, here, onGone, type Place, remembered } from "../state/navigation";
import { openForm } from "../state/openForm";
import { useWaiting } from "../state/waiting";
import { VIEWS } from "../views/registry";
import { FormHost } from "./FormHost";
import { LogStop, NotBegun } from "./NotBegun";
import { Announcer, Banners, Notes } from "./NoteList";
import { Search } from "./Search";
import { Who } from "./Who";

/** What a view is about: another one is drawn anew, with nothing of the one before. */
function identityOf(place: Place): string {
  return [place.view, place.uri, place.store, place.requestId, place.changeId].join("\n");
}

export function Layout() {
  const [place, setPlace] = useState(here());
  const over = useCell(ended);
  const why = useCell(stop);
  const { context } = useMe();
  useEffect(() => onGone(() => setPlace(here())), []);
  useFocusAfter(place);
  // The tab's title tells two consoles apart before anything is put into the wrong one.
  useEffect(() => {
    document.title = context === "" ? "monoctl console" : `${context} · monoctl console`;
  }, [context]);
  // The notes of a log that does not hold stay to be read, also when monoctl has ended.
  if (over !== null && why === null) return <NotBegun failure={over} />;
  const view = VIEWS.find((one) => one.id === place.view);
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <Link class="brand" label="monoctl console, to the secrets" onClick={() => go({ view: "secrets" })}>
          <Logo />
          <span class="brand-name">monoctl</span>
        </Link>
        <Search />
        <div class="top-end">
          <PutButton />
          <Notes />
          <Who />
        </div>
      </header>
      <Navigation at={view?.under ?? place.view} />
      <main id="content" tabIndex={-1}>
        <Banners />
        {view === undefined ? <p>There is no such view.</p> : <view.component key={identityOf(place)} place={place} />}
      </main>
      <FormHost />
      {why !== null && <LogStop failure={why} />}
      <Announcer />
    </div>
  );
}

function PutButton() {
  if (putsNothing(useMe())) return null;
  return (
    <Button kind="primary" icon="plus" onClick={() => openForm("put")}>
      Put a secret
    </Button>
  );
}

function Navigation({ at }: { at: string }) {
  const role = useMe().role;
  const waiting = useWaiting();
  const count = waiting.data?.changes.length ?? 0;
  return (
    <nav class="side" aria-label="Views">
      {count > 0 && <span id="approvals-waiting" class="unseen">{count === 1 ? "1 change waits for you" : `${count} changes wait for you`}</span>}
      <ul>
        {VIEWS.filter((view) => view.title !== "" && (!view.administrators || role === "administrator" || role === "auditor")).map((view) => (
          <li key={view.id}>
            <button type="button" role="link" class="side-link" aria-current={view.id === at ? "page" : undefined} aria-describedby={view.id === "approvals" && count > 0 ? "approvals-waiting" : undefined} data-at={`view ${view.id}`} onClick={() => go({ view: view.id })}>
              {view.icon !== undefined && <Icon name={view.icon} />}
              <span>{view.title}</span>
              {view.id === "approvals" && count > 0 && <span class="side-count" aria-hidden="true">{waiting.data?.more ? `${count}+` : count}</span>}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" class="logo-ground" />
      <path d="M10 15v-4a6 6 0 0 1 12 0v4" class="logo-bow" />
      <rect x="7" y="15" width="18" height="11" rx="2.5" class="logo-body" />
      <circle cx="16" cy="20.5" r="2" class="logo-ground" />
    </svg>
  );
}

/** The address must not change: the focus goes there without the fragment. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

/** After a change of place, the focus is where it was there before, or on the heading. */
function useFocusAfter(place: Place): void {
  const identity = identityOf(place);
  const isFirst = useRef(true);
  useLayoutEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    const { focus, scrolled } = remembered();
    const find = () => (focus === "" ? null : document.querySelector<HTMLElement>(`main [data-at="${CSS.escape(focus)}"]`));
    scrollTo(0, scrolled);
    const there = find();
    (there ?? document.querySelector<HTMLElement>("main h1"))?.focus({ preventScroll: there === null });
  }, [identity]);
}
