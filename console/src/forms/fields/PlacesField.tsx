/** Places: store and path, for one secret or several, and what is wrong with them. */

import { useState } from "preact/hooks";
import type { SecretsPage, Store } from "../../api/documents/shown";
import { Button, Field, Icon, partsOf, TextField, Uri } from "../../parts";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import type { FormName, Start } from "../../state/openForm";
import { notAble, notReady, outside } from "../able";
import { completions, folderOf, type Names, pathProblem, uriOf } from "../uris";

interface Place {
  id: number;
  /** "" for the default store, until the user chooses. */
  store: string;
  path: string;
  /** Whether it comes from a selection, and can only be removed. */
  fixed: boolean;
}

export interface Places {
  list: readonly Place[];
  /** The full URIs, in order, also of those that are not valid yet. */
  uris: readonly string[];
  /** What is wrong, by place. */
  problems: ReadonlyMap<number, string>;
  change: (id: number, change: Partial<Pick<Place, "store" | "path">>) => void;
  add: () => void;
  remove: (id: number) => void;
  /** The store of a place, the default filled in. */
  storeOf: (place: Place) => string;
}

/** What is said at the field of the store. */
const NO_STORE = "Choose a store.";

let lastId = 0;

function newPlace(uri: string, fixed = false): Place {
  lastId += 1;
  return { id: lastId, ...partsOf(uri), fixed };
}

/** Begin with what the form was opened for, or with one empty place. */
export function usePlaces(start: Start, stores: readonly Store[], names: Names = "secret"): Places {
  const [list, setList] = useState<readonly Place[]>(() => begun(start));
  const fallback = stores.find((store) => store.is_default)?.name ?? (stores.length === 1 ? (stores[0]?.name ?? "") : "");
  const storeOf = (place: Place) => place.store || fallback;
  const uris = list.map((place) => uriOf({ store: storeOf(place), path: place.path }));
  return {
    list,
    uris,
    problems: problemsOf(list, uris, storeOf, names),
    change: (id, change) => setList((before) => before.map((place) => (place.id === id ? { ...place, ...change } : place))),
    add: () => setList((before) => [...before, { ...newPlace(""), store: before[before.length - 1]?.store ?? "", path: before[before.length - 1]?.path ?? "" }]),
    remove: (id) => setList((before) => before.filter((place) => place.id !== id)),
    storeOf,
  };
}

function begun({ uri, uris, store, prefix }: Start): readonly Place[] {
  if (uris !== undefined && uris.length > 0) return uris.map((one) => newPlace(one, true));
  if (uri !== undefined) return [newPlace(uri)];
  if (prefix !== undefined) return [newPlace(prefix.endsWith("/") ? prefix : `${prefix}/`)];
  return [newPlace(store === undefined ? "" : `${store}://`)];
}

function problemsOf(list: readonly Place[], uris: readonly string[], storeOf: (place: Place) => string, names: Names): Map<number, string> {
  const found = new Map<number, string>();
  list.forEach((place, at) => {
    if (storeOf(place) === "") found.set(place.id, NO_STORE);
    else if (pathProblem(place.path, names) !== "") found.set(place.id, pathProblem(place.path, names));
    else if (uris.indexOf(uris[at] ?? "") < at) found.set(place.id, "This secret is named twice. Remove one.");
  });
  return found;
}

interface PlacesFieldProps {
  places: Places;
  stores: readonly Store[];
  command: FormName;
  /** Whether problems are shown: after the first try to send. */
  shown: boolean;
  /** Whether there may be several. */
  several?: boolean;
  legend?: string;
  pathHint?: string;
}

/** One place, or a list of them that can grow. */
export function PlacesField(props: PlacesFieldProps) {
  const { places, several = false, legend = "Secret" } = props;
  const fixed = places.list.filter((place) => place.fixed);
  return (
    <fieldset class="form-group places">
      <legend>{several && places.list.length > 1 ? `${legend}s (${places.list.length})` : legend}</legend>
      {fixed.length > 0 && <Fixed {...props} list={fixed} />}
      {places.list
        .filter((place) => !place.fixed)
        .map((place) => (
          <PlaceField key={place.id} {...props} place={place} />
        ))}
      {several && (
        <Button small icon="plus" onClick={places.add}>
          Another secret
        </Button>
      )}
      {places.list.length === 0 && <p class="field-hint">No secret is chosen.</p>}
    </fieldset>
  );
}

/** Those of a selection: they can be removed. */
function Fixed({ places, list, stores, command }: PlacesFieldProps & { list: readonly Place[] }) {
  return (
    <ul class="fixed-places">
      {list.map((place) => {
        const uri = uriOf(place);
        const store = stores.find((one) => one.name === place.store);
        const why = store === undefined ? "" : notAble(command, store);
        return (
          <li key={place.id}>
            <Uri uri={uri} still />
            {why !== "" && <span class="place-why">{why}</span>}
            {list.length > 1 && <Button kind="quiet" small icon="x" label={`Leave out ${uri}`} onClick={() => places.remove(place.id)} />}
          </li>
        );
      })}
    </ul>
  );
}

function PlaceField({ places, place, stores, command, shown, pathHint }: PlacesFieldProps & { place: Place }) {
  const who = useMe();
  const name = places.storeOf(place);
  const store = stores.find((one) => one.name === name);
  const problem = places.problems.get(place.id) ?? "";
  const beyond = problem === "" ? outside(uriOf({ store: name, path: place.path }), who) : "";
  const known = useKnown(name, place.path);
  return (
    <div class="place">
      <div class="place-row">
        <StoreSelect name={name} stores={stores} command={command} choose={(chosen) => places.change(place.id, { store: chosen })} wrong={shown && name === ""} />
        <TextField
          label="Path"
          mono
          placeholder="app/db"
          hint={pathHint}
          value={place.path}
          choices={known}
          error={(shown && problem !== NO_STORE) || problem.includes("twice") ? problem : ""}
          onInput={(path) => places.change(place.id, typed(path, stores))}
        />
        {places.list.length > 1 && <Button kind="quiet" icon="x" label="Leave out this secret" onClick={() => places.remove(place.id)} />}
      </div>
      {store !== undefined && <StoreNote store={store} command={command} />}
      {beyond !== "" && <Warning text={beyond} />}
    </div>
  );
}

/** What a typed or pasted path changes: a whole URI chooses the store, too, and spaces around it are left out. */
function typed(text: string, stores: readonly Store[]): Partial<Pick<Place, "store" | "path">> {
  const path = text.trim();
  const at = path.indexOf("://");
  const store = path.slice(0, Math.max(at, 0));
  return at > 0 && stores.some((one) => one.name === store) ? { store, path: path.slice(at + 3) } : { path };
}

/** Choose a store. Each says in words how it is. */
export function StoreSelect({ name, stores, command, choose, wrong, label = "Store" }: { name: string; stores: readonly Store[]; command: FormName; choose: (name: string) => void; wrong: boolean; label?: string }) {
  return (
    <Field label={label} error={wrong ? NO_STORE : ""}>
      {(attributes) => (
        <select {...attributes} class="input select" value={name} onChange={(event) => choose(event.currentTarget.value)}>
          {!stores.some((store) => store.name === name) && <option value={name}>{name === "" ? "Choose…" : name}</option>}
          {stores.map((store) => (
            <option key={store.name} value={store.name} disabled={notAble(command, store) !== ""}>
              {store.name}
              {health(store, command)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function health(store: Store, command: FormName): string {
  if (!store.active) return " (not active)";
  if (notAble(command, store) !== "") return " (cannot do this)";
  if (!store.reactors.some((reactor) => reactor.attached)) return " (no reactor)";
  return store.engine === "ok" || store.engine === "unknown" || store.engine === "" ? "" : ` (${store.engine})`;
}

function StoreNote({ store, command }: { store: Store; command: FormName }) {
  const unable = notAble(command, store);
  const who = useMe();
  const waiting = unable === "" ? notReady(store, who) : "";
  return (
    <>
      {unable !== "" && <Warning text={unable} />}
      {waiting !== "" && <Warning text={waiting} />}
      {store.identity_state === "new" && <p class="place-note">You have not agreed to this store’s identity yet. You will be asked before anything is sent.</p>}
    </>
  );
}

/** A sentence that stops nothing. */
export function Warning({ text }: { text: string }) {
  return (
    <p class="form-warning">
      <Icon name="alert" /> {text}
    </p>
  );
}

/** Return what a path may go on with, by the secrets that the console knows in that folder. */
function useKnown(store: string, path: string): string[] {
  const folder = folderOf(path).replace(/\/$/, "");
  const { data } = useAnswer<SecretsPage>(store === "" ? null : "secrets", { prefix: `${store}://${folder}`, sort: "uri", page_size: 200 });
  return completions((data?.secrets ?? []).map(({ uri }) => uri), store, path);
}
