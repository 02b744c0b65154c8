/** All stores, and one of them with its reactors and secrets. */

import type { Event, SecretsPage, Store } from "../../api/documents/shown";
import { notAllowed, takesSigned } from "../../forms/able";
import { Badge, Banner, Button, Card, Empty, Facts, FailureBox, Hash, Icon, Link, PageHead, Person, Skeleton, Status, Time, Uri } from "../../parts";
import { EventRow } from "../../pictures/events/Rows";
import { concernsStores, limitWords, storeHealth, TONE_ICONS, worstFirst } from "../../pictures/stores/health";
import { Capabilities, IdentityLine, Reactors, StoreCard, StoreMarks } from "../../pictures/stores/StoreCard";
import { dayOf } from "../../pictures/words/days";
import { counted } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import { go, type Place } from "../../state/navigation";
import { openForm } from "../../state/openForm";

export function StoreView({ place }: { place: Place }) {
  const name = place.store ?? "";
  const who = useMe();
  const { data, failure, loading, again } = useAnswer<{ stores: Store[] }>("stores", {}, { when: concernsStores });
  const store = data?.stores.find((one) => one.name === name);
  return (
    <div class="pic-view">
      <PageHead
        title={name}
        above={<Link at="stores" onClick={() => go({ view: "stores" })}><Icon name="chevronLeft" /> Stores</Link>}
        lead={store && <StoreMarks store={store} />}
        actions={store && <Button kind="primary" icon="plus" why={notAllowed("put", who)} onClick={() => openForm("put", { store: name })}>Put a secret here</Button>}
      />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={6} />}
      {data !== undefined && store === undefined && <Empty icon="store" title={`You see no store ${name}.`}>It does not exist, or none of your prefixes lies in it.</Empty>}
      {store !== undefined && <Shown store={store} />}
    </div>
  );
}

function Shown({ store }: { store: Store }) {
  const health = storeHealth(store);
  return (
    <div class="pic-view">
      {store.identity_state !== "pinned" && <Card><IdentityLine store={store} /></Card>}
      <Card>
        <p class="pic-store-health"><Badge tone={health.tone} icon={TONE_ICONS[health.tone]}>{health.word}</Badge> <span>{health.sentence}</span></p>
        <Facts
          of={[
            ["State", store.active ? "active" : "inactive"],
            ["Identity", <code class="pic-break">{store.identity}</code>],
            ["Pinned", store.identity_state === "pinned" ? "yes: this is the identity that you agreed to" : store.identity_state === "changed" ? <code class="pic-break">{store.pinned}</code> : "not yet"],
            store.identity_rotations > 0 ? ["Rotated", store.identity_rotations === 1 ? "once, signed by the key before" : `${store.identity_rotations} times, each signed by the key before`] : null,
            ["Signatures", takesSigned(store) ? "needed, but for what its operator left open" : "not needed"],
            ["Fingerprint key", store.fingerprint_key_id === "" ? "none" : <code>{store.fingerprint_key_id}</code>],
            ["Largest secret", store.max_plaintext === 0 ? "not known" : limitWords(store.max_plaintext)],
            ["Open requests", store.pending.toLocaleString("en")],
            ["Added", <Time at={store.created_at} />],
            store.layout === "" ? null : ["In the engine", store.layout],
          ]}
        />
        {store.reactors[0] !== undefined && <Capabilities reactor={store.reactors[0]} />}
      </Card>
      <Card title="Reactors" flush>
        {store.reactors.length === 0 && <Empty icon="server" title="No reactor has ever connected.">Its operator starts one with `m8 reactor run` beside the engine.</Empty>}
        {(store.reactors.length > 0 || store.refused_login !== null) && <Reactors store={store} />}
      </Card>
      <Failures store={store.name} />
      <Secrets store={store.name} />
    </div>
  );
}

const FAILURES = 8;

function Failures({ store }: { store: string }) {
  const { data, failure } = useAnswer<{ events: Event[] }>("events", { prefix: `${store}://`, limit: 1000 }, { when: (message) => message.kind === "event" && message.event.type === "SecretUploadFailed" });
  const failed = data?.events.filter((event) => event.type === "SecretUploadFailed").slice(0, FAILURES) ?? [];
  const today = dayOf(new Date());
  return (
    <Card title="Last failures" actions={<Button small kind="quiet" onClick={() => go({ view: "events", store })}>All events of this store</Button>} flush>
      {failure !== undefined && <FailureBox failure={failure} tone="warn" />}
      {data !== undefined && failed.length === 0 && <p class="pic-quiet pic-foot">None among the newest events of this store.</p>}
      <ul class="pic-event-list">{failed.map((event) => <li key={event.position}><EventRow event={event} today={today} /></li>)}</ul>
    </Card>
  );
}

const SECRETS = 12;

function Secrets({ store }: { store: string }) {
  const { data, failure } = useAnswer<SecretsPage>("secrets", { store, sort: "changed", descending: true, page_size: SECRETS });
  const more = (data?.total ?? 0) - (data?.secrets.length ?? 0);
  return (
    <Card title={data === undefined ? "Secrets" : `Secrets: ${data.total.toLocaleString("en")}`} actions={<Button small kind="quiet" onClick={() => go({ view: "secrets", secrets: { store } })}>Show all of them</Button>} flush>
      {failure !== undefined && <FailureBox failure={failure} tone="warn" />}
      {data?.total === 0 && <Empty icon="key" title="No secret is here yet." />}
      <ul class="pic-kept">
        {data?.secrets.map((secret) => (
          <li key={secret.uri}>
            <Uri uri={secret.uri} />
            <Hash hash={secret.hash} />
            <span><Person of={secret.subject} />, <Time at={secret.changed_at} quiet /></span>
            <Status of={secret.status} />
          </li>
        ))}
      </ul>
      {more > 0 && <p class="pic-quiet pic-foot">{`And ${more.toLocaleString("en")} more.`}</p>}
    </Card>
  );
}

export function Stores(_: { place: Place }) {
  const { data, failure, loading, again } = useAnswer<{ stores: Store[] }>("stores", {}, { when: concernsStores });
  const stores = worstFirst(data?.stores ?? []);
  const bad = stores.filter((store) => storeHealth(store).tone === "bad").length;
  return (
    <div class="pic-view">
      <PageHead title="Stores" lead="Where secrets are kept. How their engines are is what reactors last said, as m8 tells it." />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={6} />}
      {bad > 0 && <Banner tone="bad" icon="alert">{`${counted(bad, "store")} ${bad === 1 ? "does" : "do"} not work now. Requests to ${bad === 1 ? "it" : "them"} fail or wait.`}</Banner>}
      {data !== undefined && stores.length === 0 && <Empty icon="store" title="You see no store.">An administrator adds stores, and your credential names the prefixes that you may see.</Empty>}
      <div class="pic-stores">{stores.map((store) => <StoreCard key={store.name} store={store} />)}</div>
    </div>
  );
}
