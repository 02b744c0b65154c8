/** What every form passes before it sends: no store of it has changed its identity, and the user has agreed to each. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Failure } from "../../api/documents/sending";
import type { Store } from "../../api/documents/shown";
import { Button, FailureBox, partsOf, Skeleton } from "../../parts";
import { useAnswer } from "../../state/answer";
import { addNote } from "../../state/notes";
import type { FormProps } from "../../state/openForm";
import type { Sending } from "../send/useSending";
import { IdentityStop, PinContent, PinDialog } from "./PinDialog";

export interface Gate {
  /** Ask about each store that is new, one after the other; then do `go`. If the user does not agree, nothing is done. */
  pass: (uris: readonly string[], go: () => void) => void;
  /** The dialog that asks, or nothing. */
  dialog: ComponentChildren;
}

/** Return the gate of one form. `again` asks for the stores anew after a pin. */
export function useGate(stores: readonly Store[], again: () => void): Gate {
  const [asking, setAsking] = useState<{ store: Store; uris: readonly string[]; go: () => void } | null>(null);
  const agreed = useRef(new Set<string>());
  const pass = (uris: readonly string[], go: () => void) => {
    const store = storesOf(uris, stores).find((one) => one.identity_state === "new" && !agreed.current.has(one.name));
    if (store === undefined) go();
    else setAsking({ store, uris, go });
  };
  const pinned = () => {
    if (asking === null) return;
    agreed.current.add(asking.store.name);
    setAsking(null);
    again();
    pass(asking.uris, asking.go);
  };
  return { pass, dialog: asking !== null && <PinDialog key={asking.store.name} store={asking.store} pinned={pinned} cancel={() => setAsking(null)} /> };
}

/** Return the full stop of a form, if there is a reason for one. */
export function stopOf(stores: readonly Store[], uris: readonly string[], sending: Pick<Sending<unknown>, "results" | "failure">, leave: () => void): ComponentChildren {
  const failures = sending.results.flatMap((row) => ("failed" in row ? [row.failed] : []));
  const all: Failure[] = [...(sending.failure === null ? [] : [sending.failure]), ...failures];
  const failure = all.find((one) => one.code === "IDENTITY_CHANGED");
  const concerned = storesOf(failure !== undefined && failure.uri !== "" ? [failure.uri] : uris, stores);
  const changed = concerned.find((store) => store.identity_state === "changed");
  if (failure === undefined && changed === undefined) return null;
  return <IdentityStop store={changed ?? concerned[0]} failure={failure} leave={leave} />;
}

/** Return the stores in which `uris` lie, each once. */
export function storesOf(uris: readonly string[], stores: readonly Store[]): Store[] {
  const names = new Set(uris.map((uri) => partsOf(uri).store));
  return stores.filter((store) => names.has(store.name));
}

export function PinForm({ start, close }: FormProps) {
  const { data, failure } = useAnswer<{ stores: Store[] }>("stores");
  const store = data?.stores.find(({ name }) => name === start.store);
  if (failure !== undefined && data === undefined) return <FailureBox failure={failure} />;
  if (data === undefined) return <Skeleton />;
  if (store === undefined) return <p>There is no store with this name.</p>;
  if (store.identity_state === "changed") return <IdentityStop store={store} leave={close} />;
  if (store.identity_state === "new") return <PinContent store={store} cancel={close} pinned={() => (addNote(`You agreed to the identity of ${store.name}.`, "good"), close())} />;
  return (
    <div class="pin">
      <p>You have agreed to the identity of this store:</p>
      <p>
        <code>{store.pinned}</code>
      </p>
      <div class="form-actions">
        <Button onClick={close}>Close</Button>
      </div>
    </div>
  );
}
