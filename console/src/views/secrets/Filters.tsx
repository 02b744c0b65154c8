/** The filters of the table of secrets, as chips with counts. */

import type { ComponentChildren } from "preact";
import type { SecretsPage, SecretsRequest, SortField } from "../../api/documents/shown";
import { Button, Chip, ChipMenu } from "../../parts";
import { usePeople } from "../../state/people";

/** What each state is called. "" is "present". */
const STATES: Readonly<Record<string, string>> = {
  drifted: "Drifted",
  "out-of-sync": "Out of sync",
  unverified: "Not verified",
  unproven: "Not proven",
  deleted: "Deleted",
};

const EXPIRING: Readonly<Record<string, string>> = { "0": "Expired or today", "7": "Within 7 days", "30": "Within 30 days", "90": "Within 90 days", "365": "Within a year" };

/** For screens on which not every column has a head. */
const SORTS = [
  { value: "changed down", text: "last change" },
  { value: "by", text: "who put it" },
  { value: "expires", text: "expiry" },
  { value: "sync", text: "sync" },
  { value: "verified", text: "longest not verified" },
  { value: "version down", text: "version" },
];

/** Whether anything is filtered. */
export function isFiltered({ search, store, prefix, subject, label, state, expiring_days }: SecretsRequest): boolean {
  return [search, store, prefix, subject, label, state].some((one) => one !== undefined && one !== "") || expiring_days !== undefined;
}

interface FiltersProps {
  request: SecretsRequest;
  page: SecretsPage;
  onChange: (request: SecretsRequest) => void;
}

export function Filters({ request, page, onChange }: FiltersProps) {
  // A filter that is not named is absent: `undefined` would be another request.
  const put = (name: keyof SecretsRequest, value: string | number | undefined) => {
    const { [name]: _before, ...others } = request;
    onChange(value === undefined || value === "" ? others : { ...others, [name]: value });
  };
  const shown = usePeople();
  const without = (name: keyof SecretsRequest) => () => put(name, undefined);
  return (
    <div class="chips filters" role="group" aria-label="Filters">
      <ChipMenu name="Store" all="all" value={request.store ?? ""} choices={counted(page.stores)} onChange={(store) => put("store", store)} />
      <ChipMenu
        name="State"
        all="present"
        value={request.state === "present" ? "" : (request.state ?? "")}
        choices={Object.entries(STATES).map(([value, text]) => ({ value, text }))}
        onChange={(state) => put("state", state)}
      />
      {Object.keys(page.labels).length > 0 && <ChipMenu name="Label" all="any" value={request.label ?? ""} choices={counted(page.labels)} onChange={(label) => put("label", label)} />}
      <ChipMenu name="By" all="anybody" value={request.subject ?? ""} choices={counted(page.subjects).map((one) => ({ ...one, text: shown(one.value) }))} onChange={(subject) => put("subject", subject)} />
      <ChipMenu
        name="Expires"
        all="any time or never"
        value={request.expiring_days === undefined ? "" : String(request.expiring_days)}
        choices={Object.entries(EXPIRING).map(([value, text]) => ({ value, text }))}
        onChange={(days) => put("expiring_days", days === "" ? undefined : Number(days))}
      />
      <span class="sorts">
        <ChipMenu name="Sorted by" all="secret" value={sortName(request)} choices={SORTS} onChange={(sorted) => onChange(sortedBy(request, sorted))} />
      </span>
      <On name="Search" value={request.search} onRemove={without("search")} />
      <On name="Below" value={request.prefix} onRemove={without("prefix")} />
      {isFiltered(request) && (
        <Button kind="quiet" small onClick={() => onChange(kept(request))}>
          Remove all
        </Button>
      )}
    </div>
  );
}

function sortName({ sort, descending }: SecretsRequest): string {
  return sort === undefined || (sort === "uri" && !descending) ? "" : `${sort}${descending ? " down" : ""}`;
}

function sortedBy(request: SecretsRequest, sorted: string): SecretsRequest {
  const { sort: _sort, descending: _descending, ...others } = request;
  const [sort, down] = sorted.split(" ");
  return sorted === "" ? others : { ...others, sort: sort as SortField, descending: down !== undefined };
}

function On({ name, value, onRemove }: { name: string; value: string | undefined; onRemove: () => void }): ComponentChildren {
  if (value === undefined || value === "") return null;
  return (
    <Chip name={name} onRemove={onRemove}>
      {value}
    </Chip>
  );
}

/** What stays when all filters are removed: the order and the size of a page. */
function kept({ sort, descending, page_size }: SecretsRequest): SecretsRequest {
  return { ...(sort && { sort }), ...(descending && { descending }), ...(page_size && { page_size }) };
}

/** The most frequent first. */
function counted(of: Record<string, number>): { value: string; text: string; count: number }[] {
  return Object.entries(of)
    .sort(([a, countA], [b, countB]) => countB - countA || a.localeCompare(b))
    .slice(0, 200)
    .map(([value, count]) => ({ value, text: value, count }));
}
