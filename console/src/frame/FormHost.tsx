/** Shows the form that is open, and asks before something unsent is left. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { FORMS } from "../forms/registry";
import { Button, Dialog, Panel } from "../parts";
import { useCell } from "../state/cell";
import { onGone } from "../state/navigation";
import { type Opened, opened } from "../state/openForm";

export function FormHost() {
  const now = useCell(opened);
  return now === null ? null : <Shown key={now.id} now={now} />;
}

function Shown({ now }: { now: Opened }) {
  const unsent = useRef<() => string | null>(() => null);
  const [asking, setAsking] = useState<string | null>(null);
  const form = FORMS[now.name];
  const end = () => opened.set(null);
  const close = () => {
    const what = unsent.current();
    if (what === null) end();
    else setAsking(what);
  };
  useLayoutEffect(() => onGone(close), []);
  useLayoutEffect(() => {
    const leaving = (event: BeforeUnloadEvent) => {
      if (unsent.current() !== null) event.preventDefault();
    };
    addEventListener("beforeunload", leaving);
    return () => removeEventListener("beforeunload", leaving);
  }, []);
  if (form === undefined)
    return (
      <Dialog title="Not here yet" onClose={end} actions={<Button onClick={end}>Close</Button>}>
        <p>This page cannot do that. In a terminal, monoctl can.</p>
      </Dialog>
    );
  const Frame = form.as === "dialog" ? Dialog : Panel;
  return (
    <Frame title={form.title(now.start)} onClose={close}>
      <form.component start={now.start} close={close} setUnsent={(what) => (unsent.current = what)} />
      {asking !== null && <Leaving unsent={asking} stay={() => setAsking(null)} leave={end} />}
    </Frame>
  );
}

/** Asks whether what is unsent may be lost. */
function Leaving({ unsent, stay, leave }: { unsent: string; stay: () => void; leave: () => void }) {
  return (
    <Dialog
      title="Leave without sending?"
      role="alertdialog"
      onClose={stay}
      actions={
        <>
          <Button onClick={stay}>Go on with the form</Button>
          <Button kind="danger" onClick={leave}>
            Leave
          </Button>
        </>
      }
    >
      <p>{unsent} Nobody else has it: it is gone when you leave.</p>
    </Dialog>
  );
}
