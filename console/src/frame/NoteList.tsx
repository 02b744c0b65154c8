/** The list of notes behind the bell, the newest one in sight for a while, and what screen readers say. */

import { useEffect, useState } from "preact/hooks";
import { Button, Dialog, Empty, Icon, Time } from "../parts";
import { useCell } from "../state/cell";
import { announced, dismiss, notes } from "../state/notes";

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
