/** One secret: what is known of it, what can be done with it, and its history. */

import type { Secret, Store, Version } from "../../api/documents/shown";
import { notAble, notAllowed } from "../../forms/able";
import { Banner, Button, FailureBox, FalseProof, Link, PageHead, partsOf, Proven, Skeleton, Uri } from "../../parts";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";
import { openForm } from "../../state/openForm";
import { Actions } from "./Actions";
import { History } from "./History";
import { Keys, Summary } from "./Summary";

export function SecretView({ place }: { place: Place }) {
  const uri = place.uri ?? "";
  const { data: secret, failure, loading, stale, again } = useAnswer<Secret>("secret", { uri });
  const versions = useAnswer<{ versions: Version[] }>("versions", { uri });
  const stores = useAnswer<{ stores: Store[] }>("stores");
  const name = partsOf(uri).store;
  const store = stores.data?.stores.find((one) => one.name === name);
  return (
    <>
      <PageHead
        above={<Above store={name} />}
        title={<Uri uri={uri} still />}
        lead={secret !== undefined && <Proven of={secret} />}
        actions={secret !== undefined && <MainAction secret={secret} store={store} />}
      />
      {failure !== undefined && (
        <div class="above">
          <FailureBox failure={failure} onRetry={again} tone={secret === undefined ? "bad" : "warn"} />
        </div>
      )}
      {loading && <Skeleton lines={10} />}
      {secret !== undefined && (
        <>
          <Warnings secret={secret} />
          <div class={`columns ${stale ? "is-stale" : ""}`}>
            <div class="column">
              <Summary secret={secret} />
              <Keys secret={secret} />
              <History answer={versions} secret={secret} store={store} />
            </div>
            <div class="column">
              <Actions secret={secret} store={store} />
            </div>
          </div>
        </>
      )}
    </>
  );
}

/** The way back: to all secrets, and to the store. */
function Above({ store }: { store: string }) {
  return (
    <nav aria-label="Above">
      <Link onClick={() => go({ view: "secrets" })}>Secrets</Link> / <Link onClick={() => go({ view: "store", store })}>{store}</Link>
    </nav>
  );
}

/** What one most likely came for. */
function MainAction({ secret, store }: { secret: Secret; store: Store | undefined }) {
  const who = useMe();
  const form = secret.deleted ? "undelete" : "put";
  const why = notAllowed(form, who) || (store === undefined ? "" : notAble(form, store));
  if (secret.deleted && why !== "") return null;
  return (
    <Button kind="primary" icon={secret.deleted ? "undo" : "up"} why={why} onClick={() => openForm(form, { uri: secret.uri })}>
      {secret.deleted ? "Undelete" : "Put a new version"}
    </Button>
  );
}

/** What must not be overlooked. */
function Warnings({ secret }: { secret: Secret }) {
  return (
    <div class="banners">
      {secret.is_false && <FalseProof why={secret.why_not_proven} />}
      {secret.deleted && (
        <Banner tone="info" icon="trash">
          This secret is deleted. What stands here is what was known of it.
        </Banner>
      )}
      {secret.status === "DRIFTED" && (
        <Banner tone="bad" icon="drift">
          <strong>The engine holds something else.</strong> Somebody changed it without m8. Import it to keep what is there, or put or roll back to replace it.
        </Banner>
      )}
      {secret.status === "GONE" && (
        <Banner tone="bad" icon="alert">
          <strong>The engine holds nothing here.</strong> Somebody deleted it without m8. Put it again, or delete it here, too.
        </Banner>
      )}
    </div>
  );
}
