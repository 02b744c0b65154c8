/** Stores as lines for the wall: name, health, reactors, open requests, last heard. */

import type { Store } from "../../api/documents/stores";
import { Badge, Card, Link, Time } from "../../parts";
import { go } from "../../state/navigation";
import { storeHealth, TONE_ICONS, worstFirst } from "./health";

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
