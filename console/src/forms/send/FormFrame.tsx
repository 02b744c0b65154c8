/** The frame of each form: its fields, its stages, its buttons.
 *
 * The notes of a secret after an edit. They are m8's word: no store signed them.
 */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Done } from "../../api/documents/sending";
import type { Secret } from "../../api/documents/shown";
import { Button, Expiry, Facts, FailureBox, Labels, Link, Outcome, Proven, Uri } from "../../parts";
import { useAnswer } from "../../state/answer";
import { go } from "../../state/navigation";
import { ProgressList } from "./Progress";
import { ResultList } from "./Results";
import type { Sending } from "./useSending";

interface FrameProps<T> {
  /** One or two sentences: what it does. */
  intro: ComponentChildren;
  sending: Sending<T>;
  /** The secrets that it is about, in their order. */
  uris: readonly string[];
  /** The words on the button that sends. */
  submit: string;
  danger?: boolean;
  /** Why it cannot be sent at all, in words; "" if it can. */
  why: string;
  /** Whether nothing is wrong with the fields. If something is, the first such field gets the focus. */
  valid: boolean;
  onSubmit: () => void;
  /** Called when the user tried to send, and something was wrong: show it. */
  onInvalid: () => void;
  /** Other buttons beside the one that sends. */
  more?: ComponentChildren;
  /** What is shown while it is under way, in place of a row for each secret. */
  steps?: ComponentChildren;
  /** What is shown of one that was done. */
  done: (result: T) => ComponentChildren;
  /** What may be done next, beside closing. */
  next?: ComponentChildren;
  close: () => void;
  /** The dialogs and stops over it. */
  over?: ComponentChildren;
  children: ComponentChildren;
}

/** Show the fields while editing; they stay in the page, hidden, while a call is under way, so that nothing of them is lost. */
export function FormFrame<T>(props: FrameProps<T>) {
  const { sending, close } = props;
  const [attempts, setAttempts] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  const region = useRef<HTMLDivElement>(null);
  // At once, after the dialog has opened: a focus that moves later takes keys from who is typing already.
  useLayoutEffect(() => queueMicrotask(() => firstEmpty(form.current)?.focus()), []);
  useEffect(() => {
    if (attempts > 0) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [attempts]);
  useEffect(() => {
    // What is new stands there, and may be out of sight: focus brings it into view.
    if (sending.state !== "editing" || sending.failure !== null) region.current?.focus();
  }, [sending.state, sending.failure]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (props.why !== "" || sending.state !== "editing") return;
    if (props.valid) props.onSubmit();
    else {
      props.onInvalid();
      setAttempts((before) => before + 1);
    }
  };
  return (
    <>
      <form ref={form} class="form" noValidate autocomplete="off" onSubmit={submit}>
        {sending.state !== "ended" && <div class="form-intro">{props.intro}</div>}
        <div class="form-fields" hidden={sending.state !== "editing"}>
          {props.children}
        </div>
        <div ref={region} class="form-region" tabIndex={-1}>
          {sending.state === "sending" && <ProgressList progress={sending.progress}>{props.steps}</ProgressList>}
          {sending.state === "ended" && <ResultList sending={sending} uris={props.uris} done={props.done} close={close} />}
          {sending.state === "editing" && sending.failure !== null && <FailureBox failure={sending.failure} />}
        </div>
        <Actions {...props} />
      </form>
      {props.over}
    </>
  );
}

/** The first field to type into in which nothing stands yet, else the first field: what is known needs no typing. */
function firstEmpty(form: HTMLFormElement | null): HTMLElement | null | undefined {
  const typed = [...(form?.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>(".form-fields :is(input, textarea).input") ?? [])];
  return typed.find(({ value }) => value === "") ?? form?.querySelector<HTMLElement>(".form-fields .input");
}

function Actions<T>({ sending, submit, danger, why, more, next, close }: FrameProps<T>) {
  if (sending.state === "ended") {
    const isDone = sending.results.every((row) => "done" in row);
    return (
      // Elements of their own: else the pressed button becomes the one that sends, and the same press sends.
      <div key="ended" class="form-actions">
        {next}
        <Button kind={isDone ? "plain" : "primary"} onClick={sending.edit}>
          Back to the form
        </Button>
        <Button kind={isDone ? "primary" : "plain"} onClick={close}>
          Close
        </Button>
      </div>
    );
  }
  return (
    <div key="editing" class="form-actions">
      {why !== "" && <p class="form-why">{why}</p>}
      {sending.state === "editing" && more}
      <Button onClick={close}>{sending.state === "sending" ? "Leave it running" : "Cancel"}</Button>
      <Button type="submit" kind={danger === true ? "danger" : "primary"} why={why} busy={sending.state === "sending"}>
        {submit}
      </Button>
    </div>
  );
}

const UNSIGNED = { proven: false, is_false: false, why_not_proven: "Labels and a day of expiry that were edited are m8’s word: no store signed them." };

/** What every edit of notes says of itself. */
export const M8S_WORD = "No store is asked: m8 records who edited what, and shows it as its own word.";

/** Show labels and the day as they are now. */
export function NotesNow({ result, close }: { result: Done; close: () => void }) {
  const { uri } = result;
  const secret = useAnswer<Secret>("secret", { uri }).data;
  const leave = () => {
    close();
    go({ view: "secret", uri });
  };
  return (
    <div class="done">
      <div class="done-head">
        <Link class="uri" onClick={leave}>
          <Uri uri={uri} still />
        </Link>
        <Outcome of="EDITED" />
        <Proven of={UNSIGNED} />
      </div>
      {secret?.uri === uri && <Facts of={[["Labels", <Labels of={secret.labels} none="none" />], ["Expires", <Expiry on={secret.expires_on} never="never" />]]} />}
    </div>
  );
}
