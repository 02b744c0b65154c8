/** Where equal values stand: a row for each value, a column for each store, a dot for each place. */

import { useState } from "preact/hooks";
import type { Group } from "../../api/documents/pictures";
import { notAllowed } from "../../forms/able";
import { Button, Hash, Icon, Person, Time, Uri } from "../../parts";
import { useMe } from "../../state/me";
import { openForm } from "../../state/openForm";
import { byKey, columnsOf, inColumns } from "./groups";

/** More dots than this in one cell become a number. */
const DOTS = 8;
/** More stores than this share the last column. */
const COLUMNS = 8;

export function ValueMap({ groups, stores }: { groups: readonly Group[]; stores: readonly string[] }) {
  const columns = columnsOf(stores, COLUMNS);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (fingerprint: string) => {
    const next = new Set(open);
    if (!next.delete(fingerprint)) next.add(fingerprint);
    setOpen(next);
  };
  return (
    <div class="pic-scroll">
      <table class="pic-map">
        <caption class="unseen">Values that stand in several places: how many places in each store</caption>
        <thead>
          <tr>
            <th scope="col">This value</th>
            {columns.map((store) => <th key={store} scope="col">{store || "other stores"}</th>)}
          </tr>
        </thead>
        {groups.map((group) => <Value key={group.fingerprint} group={group} columns={columns} open={open.has(group.fingerprint)} toggle={toggle} />)}
      </table>
    </div>
  );
}

function Value({ group, columns, open, toggle }: { group: Group; columns: string[]; open: boolean; toggle: (fingerprint: string) => void }) {
  const counts = inColumns(group, columns);
  return (
    <tbody class={open ? "pic-value pic-value-open" : "pic-value"}>
      <tr>
        <th scope="row">
          <button type="button" class="pic-value-open-it" aria-expanded={open} onClick={() => toggle(group.fingerprint)}>
            <span class="pic-turn"><Icon name="chevronRight" /></span>
            <span>{`stands in ${numeral(group.places.length)} places`}</span>
            <Hash hash={group.fingerprint} />
          </button>
        </th>
        {counts.map((count, at) => (
          <td key={columns[at]} class={count === 0 ? "pic-cell pic-cell-empty" : "pic-cell"} data-store={columns[at] || "other stores"}>
            <Dots count={count} />
          </td>
        ))}
      </tr>
      {open && (
        <tr>
          <td class="pic-places" colSpan={columns.length + 1}><Places group={group} /></td>
        </tr>
      )}
    </tbody>
  );
}

function Dots({ count }: { count: number }) {
  if (count === 0) return <span class="unseen">none</span>;
  const drawn = Math.min(count, DOTS);
  return (
    <>
      <svg class="pic-dots" width={drawn * 14} height="12" aria-hidden="true">
        {Array.from({ length: drawn }, (_, at) => <circle key={at} class="pic-dot" cx={at * 14 + 6} cy="6" r="5" />)}
      </svg>
      <span class={count > DOTS ? "pic-dots-more" : "unseen"}>{count > DOTS ? `${count.toLocaleString("en")}` : count}</span>
    </>
  );
}

const SHOWN = 100;

function Places({ group }: { group: Group }) {
  const more = group.places.length - SHOWN;
  return (
    <>
      <ul class="pic-places-list">
        {group.places.slice(0, SHOWN).map((place) => (
          <li key={`${place.uri} ${place.key}`}>
            <Uri uri={place.uri} />
            <span class="pic-key">{place.key}</span>
            <span class="pic-quiet">by <Person of={place.subject || "somebody"} />, <Time at={place.changed_at} quiet /></span>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="pic-quiet">{`And ${more.toLocaleString("en")} more.`}</p>}
      <p class="pic-hint">To rotate it, put a new value into all {numeral(group.places.length)} places: as long as one of them keeps the old value, it is still in use.</p>
      <Rotate group={group} />
    </>
  );
}

/** A button for each key under which the value stands: it opens the form that changes this key in all its places. */
function Rotate({ group }: { group: Group }) {
  const why = notAllowed("patch", useMe());
  const keys = byKey(group);
  return (
    <div class="box-actions">
      {keys.map(([key, uris]) => (
        <Button small key={key} icon="edit" why={why} onClick={() => openForm("patch", { uris, keys: [key] })}>
          {`Change ${keys.length === 1 ? "it" : `“${key}”`} in ${inPlaces(uris.length, keys.length === 1)}`}
        </Button>
      ))}
    </div>
  );
}

function inPlaces(count: number, all: boolean): string {
  if (count === 1) return "one place";
  return `${all ? "all " : ""}${numeral(count)} places`;
}

const NUMERALS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/** Return a small number in letters, a larger one in digits. */
function numeral(count: number): string {
  return NUMERALS[count] ?? count.toLocaleString("en");
}
