/** The names that an engine holds below a URI, folder by folder, with a tick at what can be imported. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Failure } from "../../api/documents/sending";
import type { Store } from "../../api/documents/shown";
import { Badge, Button, Checkbox, FailureBox, partsOf, Uri } from "../../parts";
import { useMe } from "../../state/me";
import { announced } from "../able";
import { type Gate, storesOf } from "../pin/Pin";
import { failureOf } from "../send/useSending";
import { pathProblem } from "../uris";

interface Name {
  uri: string;
  folder: boolean;
  /** m8's word: "put through m8", "can be imported"… */
  m8_says: string;
  can_be_imported: boolean;
}

interface Listing {
  names: Name[];
  complete: boolean;
}

interface UpstreamProps {
  uri: string;
  stores: readonly Store[];
  gate: Gate;
  ticked: readonly string[];
  onTick: (ticked: readonly string[]) => void;
}

/** List on demand: each listing is a request, and its names stay in m8's log. */
export function Upstream({ uri, stores, gate, ticked, onTick }: UpstreamProps) {
  const [listed, setListed] = useState<ReadonlyMap<string, Listing>>(new Map());
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState("");
  const who = useMe();
  const top = uri.replace(/([^/])\/$/, "$1");
  const list = async (at: string) => {
    setBusy(at);
    setFailure(null);
    try {
      const answer = await call<Listing>("upstream", { uri: at.replace(/\/$/, "") });
      setListed((before) => new Map(before).set(at, answer));
    } catch (error) {
      setFailure(failureOf(error));
    } finally {
      setBusy("");
    }
  };
  const toggle = (one: string) => onTick(ticked.includes(one) ? ticked.filter((other) => other !== one) : [...ticked, one]);
  const path = partsOf(top).path;
  const why = whyNot(who.rights, storesOf([top], stores)) || (path === "" ? "Name at least one part of the path." : pathProblem(path, "prefix"));
  return (
    <div class="upstream">
      <div class="upstream-head">
        <Button icon="search" why={why} busy={busy === top} onClick={() => gate.pass([top], () => void list(top))}>
          List what is there
        </Button>
        <p class="field-hint">Names alone: the reactor reads no value for it. All listed names stay in m8’s log for ever.</p>
      </div>
      {failure !== null && <FailureBox failure={failure} />}
      <div role="status">
        <Names at={top} listed={listed} busy={busy} ticked={ticked} toggle={toggle} list={(at) => void list(at)} />
      </div>
    </div>
  );
}

function whyNot(rights: readonly string[], stores: readonly Store[]): string {
  if (rights.length > 0 && !rights.includes("list")) return "Your credential has no right “list”. Name the secrets instead.";
  const store = stores[0];
  return store !== undefined && announced(store, "listable") === false ? `The store ${store.name} lists nothing: its operator must allow it (listable). Name the secrets instead.` : "";
}

interface NamesProps {
  at: string;
  listed: ReadonlyMap<string, Listing>;
  busy: string;
  ticked: readonly string[];
  toggle: (uri: string) => void;
  list: (at: string) => void;
}

function Names(props: NamesProps) {
  const listing = props.listed.get(props.at);
  if (listing === undefined) return null;
  if (listing.names.length === 0) return <p class="field-hint">Nothing is there.</p>;
  return (
    <>
      <ul class="upstream-names">
        {listing.names.map((name) => (
          <li key={name.uri}>{name.folder ? <Folder {...props} name={name} /> : <OneName {...props} name={name} />}</li>
        ))}
      </ul>
      {!listing.complete && <p class="field-hint">There are more, which are not shown here.</p>}
    </>
  );
}

function Folder({ name, ...rest }: NamesProps & { name: Name }) {
  return (
    <>
      <span class="upstream-name">
        <Uri uri={name.uri} still />
        {!rest.listed.has(name.uri) && (
          <Button small busy={rest.busy === name.uri} label={`Look into ${name.uri}`} onClick={() => rest.list(name.uri)}>
            Look into it
          </Button>
        )}
      </span>
      <Names {...rest} at={name.uri} />
    </>
  );
}

function OneName({ name, ticked, toggle }: NamesProps & { name: Name }) {
  const badge = <Badge tone={name.can_be_imported ? "info" : "plain"}>{name.m8_says}</Badge>;
  if (!name.can_be_imported)
    return (
      <span class="upstream-name">
        <Uri uri={name.uri} still /> {badge}
      </span>
    );
  return (
    <span class="upstream-name">
      <Checkbox label={<Uri uri={name.uri} still />} checked={ticked.includes(name.uri)} onChange={() => toggle(name.uri)} /> {badge}
    </span>
  );
}
