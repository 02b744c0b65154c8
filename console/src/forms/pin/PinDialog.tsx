/** First contact with a store: the user compares its identity with what the store's operator told them, and only then agrees. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Failure } from "../../api/documents/failure";
import type { Pinned, Store } from "../../api/documents/stores";
import { Button, Checkbox, Dialog, FailureBox, Field, Icon } from "../../parts";
import { failureOf } from "../send/useSending";
import { type Compared, compared } from "./differ";
import { Grouped, Marked } from "./Identity";
import { IdentityStop } from "./IdentityStop";

interface PinProps {
  store: Store;
  /** The user agreed, and monoctl has pinned the identity. */
  pinned: () => void;
  cancel: () => void;
}

/** The question in a dialog of its own, over a form: what was entered there stays. */
export function PinDialog(props: PinProps) {
  return (
    <Dialog title={`First contact with the store “${props.store.name}”`} role="alertdialog" wide onClose={props.cancel}>
      <PinContent {...props} />
    </Dialog>
  );
}

/** The question itself. */
export function PinContent({ store, pinned, cancel }: PinProps) {
  const [told, setTold] = useState("");
  const [ticked, setTicked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const result = compared(told, store.identity);
  const why = whyNot(result, ticked);
  const agree = async (event: SubmitEvent) => {
    event.preventDefault();
    if (why !== "" || busy) return;
    setBusy(true);
    try {
      await call<Pinned>("pin", { store: store.name, identity: store.identity });
      pinned();
    } catch (error) {
      setFailure(failureOf(error));
      setBusy(false);
    }
  };
  if (failure?.code === "IDENTITY_CHANGED") return <IdentityStop store={store} failure={failure} leave={cancel} />;
  return (
    <form class="pin" noValidate autocomplete="off" onSubmit={(event) => void agree(event)}>
      <p>
        What you put there is sealed for this identity. You have not agreed to it yet. m8 shows it, and m8 could show another one: then <strong>somebody else could read what you put</strong>.
      </p>
      <Grouped identity={store.identity} />
      <HowToCompare />
      <Told told={told} set={setTold} result={result} shown={store.identity} />
      {result === "empty" && <Checkbox label="I compared every character with what the operator told me. They are the same." checked={ticked} onChange={setTicked} />}
      {failure !== null && <FailureBox failure={failure} />}
      <div class="form-actions">
        <Button onClick={cancel}>Not now</Button>
        <Button kind="primary" icon="shieldCheck" busy={busy} why={why} type="submit">
          Trust this identity
        </Button>
      </div>
    </form>
  );
}

function HowToCompare() {
  return (
    <ol class="pin-steps">
      <li>
        <strong>Ask the store’s operator for the identity,</strong> by another way than m8: in person, by telephone, on a page that you trust. On the reactor’s machine, <code>m8 reactor identity</code> prints it.
      </li>
      <li>
        <strong>Compare every character.</strong> Paste what you were told, or compare it by eye.
      </li>
    </ol>
  );
}

function whyNot(result: Compared, ticked: boolean): string {
  if (result === "equal" || (result === "empty" && ticked)) return "";
  if (result === "different") return "What you were told is another identity. Do not go on.";
  return result === "malformed" ? "What you pasted is not an identity." : "Paste what the operator told you, or tick that you compared every character.";
}

function Told({ told, set, result, shown }: { told: string; set: (told: string) => void; result: Compared; shown: string }) {
  const text = told.replace(/\s+/g, "");
  const wrong = { malformed: "This is not an identity: that is “SHA256:” and 43 characters.", different: "This is another identity. Do not go on. Tell the operator what you see here." };
  return (
    <>
      <Field label="The identity that the operator told you" error={result === "malformed" || result === "different" ? wrong[result] : ""}>
        {(attributes) => <input {...attributes} class="input mono" autocomplete="off" spellcheck={false} placeholder="SHA256:…" value={told} onInput={(event) => set(event.currentTarget.value)} />}
      </Field>
      <div role="status">
        {result === "equal" && (
          <p class="pin-equal">
            <Icon name="check" /> It is the same as the one above, in every character.
          </p>
        )}
        {result === "different" && (
          <dl class="pin-different">
            <dt>The operator told you</dt>
            <dd>
              <Marked identity={text} other={shown} />
            </dd>
            <dt>m8 shows</dt>
            <dd>
              <Marked identity={shown} other={text} />
            </dd>
          </dl>
        )}
      </div>
    </>
  );
}
