/** A full stop: a dialog that fills the page, with one way on, which leaves. */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "../controls/Button";
import { Icon } from "../Icon";
import { Said } from "../words/Said";

interface StopProps {
  /** What is wrong, as a heading. */
  title: string;
  /** What monoctl said. */
  message: string;
  /** What the user is told beside it. */
  told: ComponentChildren;
  /** What to do, and what shows it. */
  children: ComponentChildren;
  /** Leave. There is no other way on. */
  leave: () => void;
}

/** Fill the page with a warning, until the user leaves. */
export function Stop({ title, message, told, children, leave }: StopProps) {
  const id = useId();
  const element = useShown();
  return (
    <dialog
      ref={element}
      class="stop"
      role="alertdialog"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
    >
      <div class="stop-page">
        <Icon name="shieldOff" />
        <h2 id={`${id}-title`}>{title}</h2>
        <div id={`${id}-text`}>
          <p class="stop-message">
            <Said text={message} />
          </p>
          <p>{told}</p>
        </div>
        {children}
        <div class="form-actions">
          <Button kind="primary" onClick={leave}>
            Leave
          </Button>
        </div>
      </div>
    </dialog>
  );
}

/** Open the dialog over everything, as long as it is in the page. */
function useShown() {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return element;
}
