/** All stores, those that need somebody first. */

import type { Store } from "../../api/documents/stores";
import { Banner, Empty, FailureBox, PageHead, Skeleton } from "../../parts";
import { concernsStores } from "../../pictures/stores/concerns";
import { storeHealth, worstFirst } from "../../pictures/stores/health";
import { StoreCard } from "../../pictures/stores/StoreCard";
import { counted } from "../../pictures/words/outcomes";
import { useAnswer } from "../../state/answer";
import type { Place } from "../../state/navigation";

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
