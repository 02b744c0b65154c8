/** What went wrong and what to do about it, and the full stop that nothing accepts. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Failure } from "../../api/documents/sending";
import { Button } from "../controls/Button";
import { Icon } from "../Icon";
import { Said } from "../words/Said";

interface FailureBoxProps {
  failure: Failure;
  /** Another try: with a button, which waits as long as the failure says. */
  onRetry?: () => void;
  /** More buttons or sentences. */
  children?: ComponentChildren;
  /** "warn" if what is shown beside it was true before and may be still. */
  tone?: "bad" | "warn";
}

export function FailureBox({ failure, onRetry, children, tone = "bad" }: FailureBoxProps) {
  return (
    <div class={`box box-${tone}`} role="alert">
      <Icon name="alert" />
      <div class="box-text">
        {failure.by_m8 && <p class="box-source">m8 says, unchecked:</p>}
        <p class="box-title">
          <Said text={own(failure.message)} />
        </p>
        {failure.fix !== "" && (
          <p>
            <Said text={own(failure.fix)} />
          </p>
        )}
        <p class="box-code">
          {failure.code}
          {failure.reason !== "" && ` · ${failure.reason}`}
        </p>
        {(onRetry !== undefined || children !== undefined) && (
          <div class="box-actions">
            {onRetry !== undefined && <Retry after={failure.retry_after_s ?? 0} onRetry={onRetry} key={`${failure.code} ${failure.retry_after_s}`} />}
            {children}
          </div>
        )}
      </div>
    </div>
  );
}

/** The words without what the terminal writes before them if they are m8's: the box says so itself. */
function own(text: string): string {
  return text.replace(/^m8 (says|suggests): /, "");
}

/** A button for another try, which can be used after some seconds. */
function Retry({ after, onRetry }: { after: number; onRetry: () => void }) {
  const [left, setLeft] = useState(Math.ceil(after));
  useEffect(() => {
    if (left <= 0) return undefined;
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  return (
    <Button small icon="refresh" why={left > 0 ? `Another try makes sense in ${left} s.` : ""} onClick={onRetry}>
      {left > 0 ? `Try again in ${left} s` : "Try again"}
    </Button>
  );
}

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
