/** A store with its health, identity and reactors, as a card; and all of them as a table. */

import type { Reactor, Store } from "../../api/documents/shown";
import { hasSignersTrouble, takesSigned } from "../../forms/able";
import { Badge, Button, Card, HowLong, Icon, Link, Time } from "../../parts";
import { go } from "../../state/navigation";
import { openForm } from "../../state/openForm";
import { reasonWords } from "../words/outcomes";
import { capabilities, engineHealth, limitWords, refusalWords, storeHealth, TONE_ICONS, worstFirst } from "./health";

export function StoreCard({ store }: { store: Store }) {
  const health = storeHealth(store);
  const attached = store.reactors.filter((one) => one.attached);
  const since = attached.find((one) => one.engine === store.engine)?.engine_since_at ?? "";
  return (
    <article class={`pic-store pic-tone-${health.tone}`} aria-label={store.name}>
      <header class="pic-store-head">
        <h2><Link at={`store ${store.name}`} onClick={() => go({ view: "store", store: store.name })}>{store.name}</Link></h2>
        <StoreMarks store={store} />
      </header>
      <p class="pic-store-health">
        <Badge tone={health.tone} icon={TONE_ICONS[health.tone]}>{health.word}</Badge>
        <span>{health.sentence}</span>
        {since !== "" && store.active && <span class="pic-quiet">For <HowLong since={since} />.</span>}
      </p>
      {store.identity_state !== "pinned" && <IdentityLine store={store} />}
      <dl class="pic-store-facts">
        <div><dt>Reactors</dt><dd>{attached.length === 0 ? "none" : attached.length.toLocaleString("en")}</dd></div>
        <div><dt>Last heard</dt><dd><Time at={store.last_heard_at} quiet /></dd></div>
        <div><dt>Open requests</dt><dd>{store.pending.toLocaleString("en")}</dd></div>
        <div><dt>Largest secret</dt><dd>{store.max_plaintext === 0 ? "not known" : limitWords(store.max_plaintext)}</dd></div>
      </dl>
      {store.reactors[0] !== undefined && <Capabilities reactor={store.reactors[0]} />}
      {store.layout !== "" && <p class="pic-store-layout">{store.layout}</p>}
    </article>
  );
}

/** Its type, and what is special about it. */
export function StoreMarks({ store }: { store: Store }) {
  return (
    <span class="pic-store-marks">
      {store.type !== store.name && <span class="pic-quiet">{store.type}</span>}
      {store.is_default && <Badge tone="info" icon="check" title="A path without a store is in this one.">default</Badge>}
      {store.maturity === "experimental" && <Badge tone="warn" icon="alert" title="The driver was not yet tested with the real engine and the people who run it.">experimental</Badge>}
      {takesSigned(store) && <Badge icon="key" title="Its reactor acts on what a key of its own list signed.">signed requests</Badge>}
      {hasSignersTrouble(store) && <Badge tone="bad" icon="alert" title="Its reactor cannot use its list of signers, or of revoked keys: it may act on nothing. The store’s operator can mend that.">list of signers</Badge>}
      {store.identity_state === "pinned" && <Badge icon="shieldCheck" title={store.identity}>identity pinned</Badge>}
    </span>
  );
}

/** What is to be done about an identity that is not pinned. */
export function IdentityLine({ store }: { store: Store }) {
  if (store.identity_state === "changed")
    return (
      <div class="box box-bad" role="alert">
        <Icon name="alert" />
        <div class="box-text">
          <p class="box-title">{store.identity_message || "m8 shows another identity than the pinned one. Send nothing to this store."}</p>
          {store.identity_fix !== "" && <p>{store.identity_fix}</p>}
          <div class="box-actions"><Button small onClick={() => openForm("pin", { store: store.name })}>See both identities</Button></div>
        </div>
      </div>
    );
  return (
    <p class="pic-store-identity">
      <Badge tone="warn" icon="shield">not pinned yet</Badge>
      <span>Nobody has compared its identity on this computer.</span>
      <Button small onClick={() => openForm("pin", { store: store.name })}>Compare and pin</Button>
    </p>
  );
}

/** What a reactor can do, and in a line of its own what it cannot. */
export function Capabilities({ reactor }: { reactor: Reactor }) {
  const all = capabilities(reactor);
  const cannot = all.filter((one) => !one.can).map((one) => one.word);
  return (
    <div class="pic-can">
      <ul class="pic-can-list" aria-label="What the store can do">
        {all.filter((one) => one.can).map(({ word }) => <li key={word}><Icon name="check" />{word}</li>)}
        {reactor.copies_to.length > 0 && <li><Icon name="check" />{`copy to ${reactor.copies_to.join(", ")}`}</li>}
      </ul>
      {cannot.length > 0 && <p class="pic-quiet">{`Cannot: ${cannot.join(", ")}.`}</p>}
    </div>
  );
}

/** Each reactor process: whether it is connected, how its engine is, and its last failure. */
export function Reactors({ store }: { store: Store }) {
  return (
    <>
      <table class="table" role="table">
        <caption class="unseen">{`Reactors of the store ${store.name}`}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {["Replica", "Connected", "Last heard", "Engine", "Last failure"].map((title) => <th key={title} scope="col" role="columnheader">{title}</th>)}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {store.reactors.map((one) => {
            const health = engineHealth(one.engine);
            return (
              <tr key={one.replica} role="row">
                <td role="cell" data-title="Replica"><code title={one.replica}>{one.replica.slice(0, 8)}</code></td>
                <td role="cell" data-title="Connected"><span><Badge tone={one.attached ? "good" : "plain"} icon={one.attached ? "check" : "minus"}>{one.attached ? "yes" : "gone"}</Badge></span></td>
                <td role="cell" data-title="Last heard"><Time at={one.last_heard_at} quiet /></td>
                <td role="cell" data-title="Engine">
                  <span>
                    <Badge tone={health.tone} icon={TONE_ICONS[health.tone]} title={health.sentence}>{health.word}</Badge>
                    {one.engine_since_at !== "" && <span class="pic-quiet"> for <HowLong since={one.engine_since_at} /></span>}
                  </span>
                </td>
                <td role="cell" data-title="Last failure">{one.last_failure === "" ? <span class="pic-quiet">none</span> : <span>{reasonWords(one.last_failure)}, <Time at={one.last_failure_at} quiet /></span>}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {store.refused_login !== null && (
        <p class="pic-hint">
          <Icon name="alert" /> m8 refused the login of reactor <code>{store.refused_login.replica.slice(0, 8)}</code> <Time at={store.refused_login.refused_at} quiet />: {refusalWords(store.refused_login.refusal)}.
        </p>
      )}
    </>
  );
}

export function StoreWall({ stores }: { stores: readonly Store[] }) {
  return (
    <Card title="Stores and reactors" flush>
      <table class="table" role="table">
        <caption class="unseen">Stores, those that need somebody first</caption>
        <thead role="rowgroup">
          <tr role="row">
            {["Store", "Engine", "Reactors", "Open", "Last heard"].map((title) => <th key={title} scope="col" role="columnheader">{title}</th>)}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {worstFirst(stores).map((store) => {
            const health = storeHealth(store);
            const attached = store.reactors.filter((one) => one.attached).length;
            return (
              <tr key={store.name} role="row" class={health.tone === "bad" ? "row-bad" : ""}>
                <td role="cell" class="pic-wall-name"><Link at={`store ${store.name}`} onClick={() => go({ view: "store", store: store.name })}>{store.name}</Link>{store.type !== store.name && <span class="pic-quiet"> {store.type}</span>}</td>
                <td role="cell" data-title="Engine"><span><Badge tone={health.tone} icon={TONE_ICONS[health.tone]} title={health.sentence}>{health.word}</Badge></span></td>
                <td role="cell" data-title="Reactors">{attached.toLocaleString("en")}</td>
                <td role="cell" data-title="Open">{store.pending.toLocaleString("en")}</td>
                <td role="cell" data-title="Last heard"><Time at={store.last_heard_at} quiet /></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Card>
  );
}
