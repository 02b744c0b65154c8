/** Have a store's reactor make a secret that nobody sees. */

import { useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Done, Results } from "../../api/documents/results";
import type { GenerateRequest } from "../../api/documents/sending";
import type { FormProps } from "../../state/openForm";
import { ANY, ExpectMore, type Expected, expectOf, expectProblem, REPLACES, WRITE } from "../fields/Expectation";
import { KnownKeys } from "../fields/KnownKeys";
import { More } from "../fields/More";
import { KEPT, notesOf, notesValid } from "../fields/notes";
import { NotesField } from "../fields/NotesField";
import { PlacesField } from "../fields/PlacesField";
import { newRecipe, type Recipe, recipeProblem, recipesOf, RecipesField, sizeProblem, useKinds } from "../fields/Recipes";
import { DoneRow } from "../send/DoneRow";
import { FormFrame } from "../send/FormFrame";
import { useForm } from "../send/useForm";

export function GenerateForm(props: FormProps) {
  const form = useForm<Done>("generate", props);
  const [recipes, setRecipes] = useState<readonly Recipe[]>(() => [newRecipe()]);
  const [expected, setExpected] = useState<Expected>(ANY);
  const [notes, setNotes] = useState(KEPT);
  const kinds = useKinds();
  const { places, stores, attempted, gate } = form;
  const uri = places.uris[0] ?? "";
  const request: GenerateRequest = { uri, recipes: recipesOf(recipes), expect: expectOf(expected), ...notesOf(notes) };
  const made = recipes.every((recipe) => recipeProblem(recipe, recipes) === "" && sizeProblem(recipe, kinds.find(({ name }) => name === recipe.kind)) === "");
  const valid = places.problems.size === 0 && made && expectProblem(expected) === "" && notesValid(notes);
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
