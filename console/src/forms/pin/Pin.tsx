/** Agree to the identity of a store before anything is put there. */

import type { Store } from "../../api/documents/stores";
import { Button, FailureBox, Skeleton } from "../../parts";
import { useAnswer } from "../../state/answer";
import { addNote } from "../../state/notes";
import type { FormProps } from "../../state/openForm";
import { IdentityStop } from "./IdentityStop";
import { PinContent } from "./PinDialog";

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
