/** First contact with a store: its identity, to be compared; and the full stop if it changed, with where it differs.
 *
 * Identities as people compare them: in groups of four, with what differs marked.
 * A full stop: a store shows another identity than the pinned one, or a proof does not verify. Nothing here accepts it.
 * First contact with a store: the user compares its identity with what the store's operator told them, and only then agrees.
 */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Failure } from "../../api/documents/sending";
import type { Pinned, Store } from "../../api/documents/shown";
import { Button, Checkbox, Dialog, FailureBox, Field, Icon, Stop } from "../../parts";
import { failureOf } from "../send/useSending";

/** An identity in groups. It cannot be selected: what is pasted to compare must come from the operator, not from here. */
function Grouped({ identity }: { identity: string }) {
  return (
    <p class="identity">
      <span class="unseen">{identity}</span>
      {groups(identity).map((group, at) => (
        <span key={at} aria-hidden="true">
          {group}
        </span>
      ))}
    </p>
  );
}

/** An identity whose characters that differ from `other` are marked, by more than a colour. */
function Marked({ identity, other }: { identity: string; other: string }) {
  return (
    <code class="identity-marked">
      {runs(identity, other).map(({ text, differs }, at) => (differs ? <mark key={at}>{text}</mark> : <span key={at}>{text}</span>))}
    </code>
  );
}

const IDENTITY = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** What a pasted text is, compared with the identity that m8 shows. */
type Compared = "empty" | "malformed" | "different" | "equal";

/** Compare what the user was told with what m8 shows. White space around it and breaks within it do not count. */
function compared(told: string, shown: string): Compared {
  const text = told.replace(/\s+/g, "");
  if (text === "") return "empty";
  if (text === shown) return "equal";
  return IDENTITY.test(text) ? "different" : "malformed";
}

/** A run of characters of a text, and whether they differ from those of the other text at the same places. */
interface Run {
  text: string;
  differs: boolean;
}

/** Cut `text` into runs of characters that are equal to, or differ from, those of `other`. */
function runs(text: string, other: string): Run[] {
  const found: Run[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const differs = text[at] !== other[at];
    const last = found[found.length - 1];
    if (last !== undefined && last.differs === differs) last.text += text.charAt(at);
    else found.push({ text: text.charAt(at), differs });
  }
  return found;
}

/** Cut an identity into groups that the eye can compare: "SHA256:" and then four characters at a time. */
function groups(identity: string): string[] {
  const colon = identity.indexOf(":") + 1;
  return [identity.slice(0, colon), ...(identity.slice(colon).match(/.{1,4}/g) ?? [])].filter((text) => text !== "");
}

interface StopProps {
  /** The store, if it is known. */
  store: Store | undefined;
  /** What monoctl said, if it refused a call. */
  failure?: Failure | undefined;
  /** Leave the form. There is no other way on. */
  leave: () => void;
}

/** Fill the page with the warning, until the user leaves. */
export function IdentityStop({ store, failure, leave }: StopProps) {
  const message = failure?.message ?? store?.identity_message ?? "";
  const fix = failure?.fix ?? store?.identity_fix ?? "";
  const shown = store !== undefined && store.pinned !== "" && store.pinned !== store.identity ? store : undefined;
  return (
    <Stop
      title={`Stop. ${store === undefined ? "This store" : `The store “${store.name}”`} is not the one that you trusted.`}
      message={message}
      told={
        <>
          <strong>Nothing more is sent to it.</strong> Perhaps its operator set it up anew. Perhaps somebody wants to read what you put. This page cannot tell these apart, and so it cannot go on.
        </>
      }
      leave={leave}
    >
      {shown !== undefined && <Both pinned={shown.pinned} identity={shown.identity} />}
      <h3>What to do now</h3>
      <p>{fix}</p>
      <p>In person and by telephone are other ways. m8 is none: it is what shows you this identity.</p>
    </Stop>
  );
}

function Both({ pinned, identity }: { pinned: string; identity: string }) {
  return (
    <dl class="stop-both">
      <dt>You trusted</dt>
      <dd>
        <Marked identity={pinned} other={identity} />
      </dd>
      <dt>m8 shows now</dt>
      <dd>
        <Marked identity={identity} other={pinned} />
      </dd>
    </dl>
  );
}

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
