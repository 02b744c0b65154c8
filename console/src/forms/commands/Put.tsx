/** Commands that write: put a secret into one store or several, change some keys and leave the others, have a reactor make one that nobody sees. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, GenerateRequest, PatchRequest, PutRequest, Results } from "../../api/documents/sending";
import { Checkbox } from "../../parts";
import type { FormProps } from "../../state/openForm";
import { EngineOptions, type Options, optionsFor } from "../fields/EngineOptions";
import { ANY, CHANGE, type Expected, ExpectMore, expectOf, expectProblem, More, REPLACES, WRITE } from "../fields/Expectation";
import { KEPT, NotesField, notesOf, notesValid } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { KnownKeys, newRecipe, type Recipe, RecipesField, recipesOf, recipesFit, SomeKeys, useKinds } from "../fields/Recipes";
import { storesOf } from "../pin/Pin";
import { FormFrame } from "../send/FormFrame";
import { Previews } from "../send/Previews";
import { DoneRow } from "../send/Results";
import { useForm } from "../send/useForm";
import { previewed, sendChecked } from "../send/useSending";
import { keyProblem, shownProblems } from "../values/rules";
import { useUnsent, useValues } from "../values/useValues";
import { ValueSet } from "../values/ValueSet";

export function PutForm(props: FormProps) {
  const [each, setEach] = useState(false);
  const form = useForm<Done>("put", props, each ? "folder" : "secret");
  const values = useValues();
  const [expected, setExpected] = useState<Expected>(ANY);
  const [notes, setNotes] = useState(KEPT);
  const [options, setOptions] = useState<Options>({});
  useUnsent(values, props.setUnsent);
  const { places, stores, attempted, gate } = form;
  const bounds = each ? { most: Infinity } : {};
  const chosen = storesOf(places.uris, stores);
  const request: PutRequest = { uris: [...places.uris], each, expect: expectOf(expected), options: optionsFor(chosen) === "" ? {} : { ...options }, ...notesOf(notes) };
  const made = each ? values.keys().map((key) => `${places.uris[0] ?? ""}${key}`) : places.uris;
  const valid = places.problems.size === 0 && values.problems(bounds).size === 0 && expectProblem(expected) === "" && notesValid(notes) && !(each && places.list.length > 1);
  const submit = () => gate.pass(places.uris, () => void form.sending.send(made, () => sendChecked<Done>("put", request, values)));
  return (
    <FormFrame
      {...form.frame}
      uris={made}
      intro="monoctl seals what you enter for the store’s reactor alone. m8 carries it and cannot read it."
      submit={each ? "Put the secrets" : "Put the secret"}
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="put" shown={attempted} several={!each} legend={each ? "Below" : "Where"} {...(each ? { pathHint: "It ends in “/”. Each key becomes a secret below it." } : {})} />
      <KnownKeys uri={places.uris.length === 1 && !each ? (places.uris[0] ?? "") : ""} keys={values.keys()} add={values.addKeys} otherwise="A put replaces all of it: it will have the keys below, and no others. “Change keys” leaves the others." />
      <ValueSet values={values} problems={shownProblems(values, attempted, bounds)} title="Keys and values" hint="A secret has one key or several. You can paste KEY=VALUE lines here, or drop a .env file." />
      <Checkbox label="One secret for each key" hint="Each gets one key, “value”, and the name of its key as the last part of its path." checked={each} onChange={setEach} />
      <ExpectMore value={expected} onChange={setExpected} words={WRITE} uri={places.uris.length === 1 && !each ? (places.uris[0] ?? "") : ""} shown={attempted} warning={REPLACES} />
      <More title="Labels, expiry and options" summary={notes.labels === "keep" && notes.expiry === "keep" ? "kept as they are" : "changed"}>
        <NotesField draft={notes} onChange={setNotes} shown={attempted} />
        <EngineOptions stores={chosen} options={options} onChange={setOptions} />
      </More>
      <Previews ask={() => previewed("put", request, values)} valid={valid} onInvalid={form.frame.onInvalid} />
    </FormFrame>
  );
}

export function PatchForm(props: FormProps) {
  const form = useForm<Done>("patch", props);
  const values = useValues(props.start.keys);
  const [removed, setRemoved] = useState<readonly string[]>([]);
  const [expected, setExpected] = useState<Expected>(ANY);
  const [options, setOptions] = useState<Options>({});
  useUnsent(values, props.setUnsent);
  const { places, stores, attempted, gate } = form;
  const optional = removed.length > 0;
  const blank = optional && !values.unsent() && values.keys().length === 0;
  const both = values.keys().filter((key) => removed.includes(key));
  const chosen = storesOf(places.uris, stores);
  const kind = optionsFor(chosen);
  const request: PatchRequest = { uris: [...places.uris], remove: [...removed], expect: expectOf(expected), options: kind === "" ? {} : { ...options } };
  const valid = places.problems.size === 0 && (blank || values.problems({ optional }).size === 0) && both.length === 0 && removed.every((key) => keyProblem(key) === "") && expectProblem(expected) === "";
  const sent = blank ? { ...values, copies: async () => [] } : values;
  const submit = () => gate.pass(places.uris, () => void form.sending.send(places.uris, () => sendChecked<Done>("patch", request, sent)));
  return (
    <FormFrame
      {...form.frame}
      intro="The keys that you name get new values. All others stay as they are, and so do labels and the day of expiry."
      submit="Change the keys"
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="patch" shown={attempted} several />
      <ValueSet values={values} problems={shownProblems(values, attempted && !blank, { optional })} title="Keys to set" hint="Only these keys change." />
      <SomeKeys legend="Keys to remove" uris={places.uris} keys={removed} onChange={setRemoved} problem={both.length > 0 ? `${both.join(", ")} cannot be set and removed.` : ""} shown={attempted} />
      <ExpectMore value={expected} onChange={setExpected} words={CHANGE} uri={places.uris.length === 1 ? (places.uris[0] ?? "") : ""} shown={attempted} warning="Keys are changed also where others have put the secret." />
      {kind !== "" && (
        <More title="Options of the engine" summary={Object.keys(options).length === 0 ? "none" : "changed"}>
          <EngineOptions stores={chosen} options={options} onChange={setOptions} />
        </More>
      )}
      <Previews ask={() => previewed("patch", request, sent)} valid={valid} onInvalid={form.frame.onInvalid} />
    </FormFrame>
  );
}

export function GenerateForm(props: FormProps) {
  const form = useForm<Done>("generate", props);
  const [recipes, setRecipes] = useState<readonly Recipe[]>(() => [newRecipe()]);
  const [expected, setExpected] = useState<Expected>(ANY);
  const [notes, setNotes] = useState(KEPT);
  const kinds = useKinds();
  const { places, stores, attempted, gate } = form;
  const uri = places.uris[0] ?? "";
  const request: GenerateRequest = { uri, recipes: recipesOf(recipes), expect: expectOf(expected), ...notesOf(notes) };
  const valid = places.problems.size === 0 && recipesFit(recipes, kinds) && expectProblem(expected) === "" && notesValid(notes);
  const submit = () => gate.pass(places.uris, () => void form.sending.send(places.uris, () => call<Results<Done>>("generate", request)));
  return (
    <FormFrame
      {...form.frame}
      intro="The store’s reactor makes the values by itself. Nobody sees them: you get the hash and, of a key pair, the public half. Each run makes new values."
      submit="Make the secret"
      valid={valid}
      onSubmit={submit}
      done={(result) => <DoneRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="generate" shown={attempted} legend="Where" />
      <KnownKeys uri={uri} keys={recipes.map(({ key }) => key)} otherwise="Generate replaces all of it: it will have the keys below, and no others." />
      <RecipesField recipes={recipes} onChange={setRecipes} shown={attempted} />
      <ExpectMore value={expected} onChange={setExpected} words={WRITE} uri={uri} shown={attempted} warning={REPLACES} />
      <More title="Labels and expiry" summary={notes.labels === "keep" && notes.expiry === "keep" ? "kept as they are" : "changed"}>
        <NotesField draft={notes} onChange={setNotes} shown={attempted} />
      </More>
    </FormFrame>
  );
}
