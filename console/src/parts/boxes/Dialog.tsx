/** What stands over the page: a dialog in its middle, or a panel at its side. Both are the browser's own modal dialog:
 * the focus stays inside, Esc closes, and the focus returns where it was.
 */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "../controls/Button";

interface DialogProps {
  title: ComponentChildren;
  /** Called when the user wants to leave: by Esc, by the cross. The owner decides, and stops showing it. */
  onClose: () => void;
  children: ComponentChildren;
  /** Buttons at the end, which stay in sight. */
  actions?: ComponentChildren;
  wide?: boolean;
  /** "alertdialog" for what needs an answer before anything else. */
  role?: "dialog" | "alertdialog";
}

/** A dialog in the middle. */
export function Dialog(props: DialogProps) {
  return <Modal {...props} look={`dialog ${props.wide ? "dialog-wide" : ""}`} />;
}

/** A panel at the side, for forms: the view stays in sight behind it. */
export function Panel(props: DialogProps) {
  return <Modal {...props} look={`panel ${props.wide ? "panel-wide" : ""}`} />;
}

/** Give the focus back to what had it before, or, if that is gone and nothing else has it, to the heading. */
function focusAgain(before: Element | null): void {
  if (before instanceof HTMLElement && before.isConnected) before.focus();
  else if (document.activeElement === document.body) document.querySelector<HTMLElement>("main h1")?.focus();
}

function Modal({ title, onClose, children, actions, look, role }: DialogProps & { look: string }) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
      // Of two that go at once, one over the other, the upper one still keeps the focus from what is below.
      queueMicrotask(() => focusAgain(before));
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={look}
      role={role}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button kind="quiet" icon="x" label="Close" onClick={onClose} />
      </header>
      <div class="dialog-body">{children}</div>
      {actions !== undefined && <footer class="dialog-actions">{actions}</footer>}
    </dialog>
  );
}
