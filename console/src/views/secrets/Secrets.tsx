/** The table of secrets, with what can be done with those that are ticked.
 *
 * All secrets that the user may see: searched, filtered, sorted, page by page. monoctl does that; the page holds one screen.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Me } from "../../api/documents/session";
import type { SecretsPage, SecretsRequest, SortField } from "../../api/documents/shown";
import { notAllowed, putsNothing } from "../../forms/able";
import { Banner, Button, Empty, FailureBox, type IconName, PageHead, Pages, Skeleton, Table } from "../../parts";
import { grouped } from "../../parts/words/Labels";
import { useAnswer } from "../../state/answer";
import { useCell } from "../../state/cell";
import { away, useMe } from "../../state/me";
import { amend, type Place } from "../../state/navigation";
import { type FormName, openForm } from "../../state/openForm";
import { COLUMNS, Overview } from "./columns";
import { Filters, isFiltered } from "./Filters";

const ACTIONS: readonly { form: FormName; text: string; icon: IconName }[] = [
  { form: "verify", text: "Verify", icon: "shieldCheck" },
  { form: "label", text: "Label", icon: "tag" },
  { form: "expire", text: "Expiry", icon: "calendar" },
  { form: "delete", text: "Delete", icon: "trash" },
];

/** Whether anything can be done to secrets that are chosen. If not, none can be chosen. */
function canChoose(who: Me): boolean {
  return ACTIONS.some(({ form }) => notAllowed(form, who) === "");
}

function Selection({ chosen, onClear }: { chosen: ReadonlySet<string>; onClear: () => void }) {
  const who = useMe();
  const uris = [...chosen].sort();
  return (
    <div class="selection" role="group" aria-label="What is chosen">
      <span class="selection-count" role="status">
        {uris.length.toLocaleString("en")} chosen
      </span>
      {ACTIONS.map(({ form, text, icon }) => (
        <Button key={form} small icon={icon} why={notAllowed(form, who)} onClick={() => openForm(form, { uris })}>
          {text}
        </Button>
      ))}
      <Button small kind="quiet" icon="x" onClick={onClear}>
        Choose none
      </Button>
    </div>
  );
}

const NOTHING: ReadonlySet<string> = new Set();

/** What begins without a secret in the table, beside a put. */
function Others() {
  const who = useMe();
  if (putsNothing(who)) return null;
  return (
    <>
      <Button icon="wand" why={notAllowed("generate", who)} onClick={() => openForm("generate")}>
        Generate
      </Button>
      <Button icon="down" why={notAllowed("import", who)} onClick={() => openForm("import")}>
        Import
      </Button>
    </>
  );
}

/** Whether the user has the right “see-hash” anywhere. */
function seesHashes({ rights, may }: Me): boolean {
  return [rights, ...may.map((one) => one.rights)].some((some) => some.includes("see-hash"));
}

export function Secrets({ place }: { place: Place }) {
  const who = useMe();
  const request: SecretsRequest = place.secrets ?? {};
  const { data, failure, loading, stale, again } = useAnswer<SecretsPage>("secrets", request);
  const [chosen, setChosen] = useState(NOTHING);
  useDropGone(request, stale ? undefined : data, setChosen);
  const show = (next: SecretsRequest) => amend({ view: "secrets", secrets: next });
  // Another question has other pages: it is shown from the first one.
  const refine = (next: SecretsRequest) => {
    const { page: _page, ...rest } = next;
    show(rest);
  };
  const hasAny = data !== undefined && (data.total > 0 || isFiltered(request));
  return (
    <>
      <PageHead title="Secrets" lead={`What m8 knows of ${who.role === "administrator" || who.role === "auditor" ? "all" : "your"} secrets. ${seesHashes(who) ? "You see hashes, never values." : "You never see a value."}`} actions={<Others />} />
      {hasAny && <Overview figures={data.figures} />}
      {failure !== undefined && (
        <div class="above">
          <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />
        </div>
      )}
      {data !== undefined && data.note !== "" && (
        <div class="above">
          <Banner tone="warn" icon="info">
            {data.note}
          </Banner>
        </div>
      )}
      {hasAny && <Filters request={request} page={data} onChange={refine} />}
      <div class="card card-flush">
        {data !== undefined && !data.complete && data.note === "" && <Progress loaded={data.loaded} />}
        {loading && <Skeleton lines={8} />}
        {data !== undefined && data.total === 0 && <Nothing request={request} complete={data.complete} onClear={() => show({})} />}
        {data !== undefined && data.total > 0 && <Listed request={request} page={data} stale={stale} chosen={chosen} onChoose={setChosen} show={show} refine={refine} />}
      </div>
    </>
  );
}

interface ListedProps {
  request: SecretsRequest;
  page: SecretsPage;
  /** Whether the page belongs to the request before. */
  stale: boolean;
  chosen: ReadonlySet<string>;
  onChoose: (chosen: ReadonlySet<string>) => void;
  /** Show another page of the same. */
  show: (request: SecretsRequest) => void;
  /** Show others, or in another order. */
  refine: (request: SecretsRequest) => void;
}

/** One page of the table, and what is done with those that are chosen in it. */
function Listed({ request, page, stale, chosen, onChoose, show, refine }: ListedProps) {
  return (
    <>
      {chosen.size > 0 && <Selection chosen={chosen} onClear={() => onChoose(NOTHING)} />}
      <Table
        caption="Secrets"
        columns={COLUMNS}
        rows={page.secrets}
        keyOf={(secret) => secret.uri}
        sorting={{ by: request.sort ?? "uri", descending: request.descending ?? false }}
        onSort={({ by, descending }) => refine({ ...request, sort: by as SortField, descending })}
        {...(canChoose(useMe()) ? { chosen, onChoose } : {})}
        stale={stale}
        toneOf={(secret) => (secret.deleted ? "faint" : "")}
      />
      <Pages
        page={request.page ?? 0}
        size={request.page_size ?? 50}
        total={page.total}
        onPage={(at) => show({ ...request, page: at })}
        onSize={(page_size) => refine({ ...request, page_size })}
      />
    </>
  );
}

/** What was chosen on this page and is no longer listed there, e.g. because it was deleted, is chosen no more. */
function useDropGone(request: SecretsRequest, data: SecretsPage | undefined, setChosen: (change: (before: ReadonlySet<string>) => ReadonlySet<string>) => void): void {
  const before = useRef<{ key: string; uris: readonly string[] }>({ key: "", uris: [] });
  useEffect(() => {
    if (data === undefined) return;
    const key = JSON.stringify(request);
    const uris = data.secrets.map((secret) => secret.uri);
    const gone = before.current.key === key ? before.current.uris.filter((uri) => !uris.includes(uri)) : [];
    before.current = { key, uris };
    if (gone.length > 0) setChosen((chosen) => (gone.some((uri) => chosen.has(uri)) ? new Set([...chosen].filter((uri) => !gone.includes(uri))) : chosen));
  }, [data]);
}

/** The listing is still being read: what is shown is true, but not all. */
function Progress({ loaded }: { loaded: number }) {
  const isAway = useCell(away) !== "";
  if (isAway && loaded === 0) return <p class="progress">m8 has not said yet which secrets there are.</p>;
  return (
    <div class="progress" role="status">
      <span class="progress-bar" aria-hidden="true" />
      <span>Reading what m8 knows: {grouped(loaded)} secrets so far. What you see may not be all.</span>
    </div>
  );
}

function Nothing({ request, complete, onClear }: { request: SecretsRequest; complete: boolean; onClear: () => void }) {
  const who = useMe();
  if (isFiltered(request))
    return (
      <Empty icon="search" title={complete ? "Nothing matches" : "Nothing matches so far"} actions={<Button onClick={onClear}>Remove all filters</Button>}>
        The search looks for words in URIs, labels, keys and in who put a secret. A text that begins with <code>fp1:</code> is a hash. Deleted secrets are shown only by the filter “Deleted”.
      </Empty>
    );
  if (!complete) return <Skeleton lines={6} />;
  if (putsNothing(who))
    return (
      <Empty icon="key" title="No secrets yet">
        Users put secrets; administrators and auditors do not. What users put will stand here, without values.
      </Empty>
    );
  return (
    <Empty
      icon="key"
      title="Put your first secret"
      actions={
        <>
          <Button kind="primary" icon="plus" onClick={() => openForm("put")}>
            Put a secret
          </Button>
          <Button icon="wand" onClick={() => openForm("generate")}>
            Generate a secret
          </Button>
        </>
      }
    >
      <p>Type a value, or drop a file such as <code>.env</code>. monoctl seals it on this machine for the store’s reactor; m8 carries it and cannot read it. Afterwards you see its hash here.</p>
      {who.prefixes.length > 0 && (
        <p>
          You may work below <code>{who.prefixes.join(", ")}</code>.
        </p>
      )}
    </Empty>
  );
}
