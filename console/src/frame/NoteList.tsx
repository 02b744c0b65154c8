/** What the page says over its views: notes, and banners for what lasts.
 *
 * Sentences above each view: m8 is away or back, the credential expires soon.
 */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Banner, Button, Dialog, Empty, Icon, lengthWords, Said, Time, useNow } from "../parts";
import { useCell } from "../state/cell";
import { askWho } from "../state/live";
import { away, backSince, stop, useMe } from "../state/me";
import { announced, dismiss, notes } from "../state/notes";
import { Stopped } from "./NotBegun";

/** Milliseconds for which the newest note stands in sight. */
const IN_SIGHT = 8000;

export function Notes() {
  const all = useCell(notes);
  const [open, setOpen] = useState(false);
  return (
    <>
      <span class="bell">
        <Button kind="quiet" icon="bell" label={all.length === 0 ? "Notes: none" : `Notes: ${all.length}`} onClick={() => setOpen(true)} />
        {all.length > 0 && (
          <span class="bell-count" aria-hidden="true">
            {all.length}
          </span>
        )}
      </span>
      {!open && <Newest />}
      {open && (
        <Dialog title="Notes" onClose={() => setOpen(false)} actions={all.length > 0 && <Button onClick={() => dismiss()}>Remove all</Button>}>
          {all.length === 0 ? (
            <Empty icon="bell" title="No notes">
              What monoctl has to say, and that stops nothing, stands here.
            </Empty>
          ) : (
            <ul class="note-list">
              {all.map((note) => (
                <li key={note.id}>
                  <p>{note.text}</p>
                  <span class="faint small">
                    <Time at={note.at} quiet />
                  </span>
                  <Button kind="quiet" small icon="x" label="Remove this note" onClick={() => dismiss(note.id)} />
                </li>
              ))}
            </ul>
          )}
        </Dialog>
      )}
    </>
  );
}

/** The newest note at the edge of the page. It leaves by itself, and stays in the list. */
function Newest() {
  const newest = useCell(notes)[0];
  const [seen, setSeen] = useState(0);
  const id = newest?.id ?? 0;
  useEffect(() => {
    if (id <= seen) return undefined;
    const timer = setTimeout(() => setSeen(id), IN_SIGHT);
    return () => clearTimeout(timer);
  }, [id, seen]);
  if (newest === undefined || newest.id <= seen) return null;
  return (
    <div class={`toast toast-${newest.tone}`}>
      <Icon name={newest.tone === "warn" ? "alert" : newest.tone === "good" ? "check" : "info"} />
      <p>{newest.text}</p>
      <Button kind="quiet" small icon="x" label="Hide this note" onClick={() => setSeen(newest.id)} />
    </div>
  );
}

/** Where screen readers find what `announce` says. */
export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {useCell(announced)}
    </div>
  );
}

/** Seconds before its end at which the credential's expiry is said. */
const SOON = 24 * 3600;

/** The same for a login that monoctl cannot renew: it lasts for minutes. */
const LOGIN_SOON = 180;

/** Seconds before its end at which monoctl uses a token of m8 no more, and needs another one. */
const LAST = 60;

export function Banners() {
  const why = useCell(away);
  const back = useCell(backSince);
  const isStopped = useCell(stop) !== null;
  const isKnown = useMe().subject !== "";
  const since = useRef(0);
  useLayoutEffect(() => {
    since.current = why === "" ? 0 : since.current || Date.now();
  }, [why]);
  return (
    <div class="banners">
      <Stopped />
      {!isStopped && why !== "" && (
        <Banner tone="bad" icon="server">
          <strong>
            <Said text={why} />
          </strong>{" "}
          {isKnown && "What you see was true before. "}monoctl tries again by itself.
        </Banner>
      )}
      {!isStopped && why === "" && back !== 0 && (
        <Banner tone="good" icon="check">
          m8 answers again.
        </Banner>
      )}
      <Expires />
    </div>
  );
}

function Expires() {
  const { expires, login } = useMe();
  const left = (Date.parse(expires) - useNow()) / 1000;
  if (Number.isNaN(left) || login === "renewed") return null;
  return login === "" ? <Credential left={left} /> : <Login left={left - LAST} />;
}

/** A login that nothing renews for sure. The user may have logged in again, so m8 is asked before anything is said, and at the end. */
function Login({ left }: { left: number }) {
  const isSoon = left <= LOGIN_SOON;
  const isOver = left <= 0;
  useEffect(() => {
    if (isSoon) void askWho();
  }, [isSoon, isOver]);
  if (!isSoon || isOver) return null;
  return (
    <Banner tone="warn" icon="clock">
      Your login may end in {lengthWords(left)}. If it does, run <code>monoctl login</code> in a terminal: this page goes on by itself.
    </Banner>
  );
}

function Credential({ left }: { left: number }) {
  if (left > SOON) return null;
  if (left <= 0)
    return (
      <Banner tone="bad" icon="clock">
        <strong>Your credential has expired.</strong> m8 refuses everything until you have a new one. Ask who issued it, then start <code>monoctl console</code> again.
      </Banner>
    );
  return (
    <Banner tone="warn" icon="clock">
      Your credential expires in {lengthWords(left)}. Ask who issued it for a new one.
    </Banner>
  );
}
