/** Equal values: which stand in several places, found by their hashes. */

import { useState } from "preact/hooks";
import type { Group } from "../api/documents/pictures";
import { Badge, Card, Checkbox, ChipMenu, Empty, FailureBox, PageHead, Pages, Skeleton, TextField } from "../parts";
import { figuresOf, storesOf, type Wanted, wantedGroups } from "../pictures/same/groups";
import { ValueMap } from "../pictures/same/ValueMap";
import { counted } from "../pictures/words/outcomes";
import { useAnswer } from "../state/answer";
import type { Place } from "../state/navigation";

interface Groups {
  groups: Group[];
  keys_read: number;
  complete: boolean;
}

const SIZE = 50;
const ALL: Wanted = { acrossStores: false, store: "", search: "" };

export function SameValues({ place }: { place: Place }) {
  const { data, failure, loading, again } = useAnswer<Groups>("groups");
  return (
    <div class="pic-view">
      <PageHead title="Same values" lead="Values that stand in more than one place. If it leaks from one of them, it is known in all of them." />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={8} />}
      {data !== undefined && <Shown data={data} uri={place.uri ?? ""} />}
    </div>
  );
}

/** All values, or of one secret if the user comes from there. */
function Shown({ data, uri }: { data: Groups; uri: string }) {
  const [wanted, setWanted] = useState<Wanted>({ ...ALL, search: uri });
  const [page, setPage] = useState(0);
  const want = (change: Partial<Wanted>) => {
    setWanted({ ...wanted, ...change });
    setPage(0);
  };
  if (data.groups.length === 0) return <NoGroups data={data} />;
  const groups = wantedGroups(data.groups, wanted);
  const stores = storesOf(data.groups);
  const at = Math.min(page, Math.max(0, Math.ceil(groups.length / SIZE) - 1));
  return (
    <div class="pic-view">
      <Summary data={data} />
      <Card flush>
        <div class="pic-filters" role="search" aria-label="Filter the values">
          <TextField label="Search a place or a key" hideLabel placeholder="Search a place or a key" type="search" value={wanted.search} onInput={(search) => want({ search })} />
          <ChipMenu name="Store" all="All stores" value={wanted.store} choices={[...stores].map(([value, count]) => ({ value, text: value, count }))} onChange={(store) => want({ store })} />
          <Checkbox label="Only values in several stores" checked={wanted.acrossStores} onChange={(acrossStores) => want({ acrossStores })} />
        </div>
        {groups.length === 0 ? (
          <Empty icon="search" title="No value is like that.">Take a filter away to see more.</Empty>
        ) : (
          <ValueMap groups={groups.slice(at * SIZE, (at + 1) * SIZE)} stores={[...storesOf(groups).keys()]} />
        )}
        {groups.length > SIZE && <Pages page={at} size={SIZE} total={groups.length} onPage={setPage} />}
      </Card>
      <p class="pic-quiet pic-foot">Found by comparing the hashes that m8 shows, never the values. Equal hashes are equal values; hashes made with another fingerprint key cannot be compared. The page of a secret says which hash is proven.</p>
    </div>
  );
}

function Summary({ data }: { data: Groups }) {
  const { values, places, across } = figuresOf(data.groups);
  return (
    <div class="pic-say">
      <p class="pic-say-big">{values === 1 ? "One value stands" : `${values.toLocaleString("en")} values stand`} in {counted(places, "place")}.</p>
      <p>
        {across === 0 ? (values === 1 ? "They are all in one store." : "None of them stands in several stores.") : `${across === 1 ? "One of them stands" : `${across.toLocaleString("en")} of them stand`} in several stores.`} When you rotate one, rotate it in all its places, or give each place a value of its own.
      </p>
      {!data.complete && <Badge tone="info" icon="clock">{`${counted(data.keys_read, "key")} compared so far; more are being read`}</Badge>}
    </div>
  );
}

function NoGroups({ data }: { data: Groups }) {
  if (!data.complete) return <Empty icon="clock" title="None found so far.">{`${counted(data.keys_read, "key")} compared; more are being read.`}</Empty>;
  if (data.keys_read === 0)
    return <Empty icon="same" title="There is nothing to compare.">Equal values are found by their hashes. Either there is no secret yet, or your credential may not see hashes: that takes the right “see-hash”.</Empty>;
  return <Empty icon="check" title="Every value stands in one place only.">{`${counted(data.keys_read, "key")} compared by hash. If one leaks, no other is open.`}</Empty>;
}
