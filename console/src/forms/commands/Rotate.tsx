/** Rotate the password of an account that nobody sees. What would be done is shown first; the user confirms that. */

import { useMemo, useState } from "preact/hooks";
import { call } from "../../api/call";
import type { Failure, Planned, Results, RotateRequest, Rotated, Rounds, RotationStep } from "../../api/documents/sending";
import { Banner, Button, Checkbox, Facts, FailureBox, Hash, Icon, partsOf, Said, TextField, Time, Uri } from "../../parts";
import { shortVersion } from "../../parts/words/Labels";
import { useAnswer } from "../../state/answer";
import { useLive } from "../../state/live";
import type { FormProps } from "../../state/openForm";
import { More } from "../fields/Expectation";
import { PlacesField, Warning } from "../fields/PlacesField";
import { KnownKeys, newRecipe, type Recipe, recipesFit, RecipesField, recipesFrom, recipesOf, useKinds } from "../fields/Recipes";
import { FormFrame } from "../send/FormFrame";
import { DoneHead } from "../send/Results";
import { useForm } from "../send/useForm";
import { failureOf } from "../send/useSending";
import { pathProblem } from "../uris";

interface Draft {
  accounts: readonly [string, string];
  recipes: readonly Recipe[];
  grace: string;
  every: string;
  adopt: boolean;
  force: boolean;
}

const ONE = "With one account, logins fail for some seconds while its password is changed. If two take turns, name both.";

export function RotateForm(props: FormProps) {
  const form = useForm<Rotated>("rotate", props);
  const { places, stores, attempted, gate, sending } = form;
  const uri = places.uris[0] ?? "";
  const { draft, set } = useDraft(places.problems.size === 0 ? uri : "");
  const kinds = useKinds();
  const step = useStep(uri);
  const accounts = draft.accounts.map((text) => text.trim()).filter((text) => text !== "");
  const request: RotateRequest = { ...draft, uri, accounts, recipes: recipesOf(draft.recipes) };
  const valid = places.problems.size === 0 && accounts.length > 0 && accounts.every((account) => accountProblem(account) === "") && recipesFit(draft.recipes, kinds);
  const plan = usePlan(request);
  const isEditing = sending.state === "editing";
  const why = form.frame.why || (!isEditing ? "" : plan.shown === null ? "Look at the plan first." : plan.shown.step === "STOP" ? "It would stop: see why in the plan." : "");
  const look = () => (valid ? gate.pass([uri, ...accounts], () => void plan.look()) : form.frame.onInvalid());
  const send = () => {
    plan.forget();
    void sending.send([uri, `${uri}.next`, ...accounts], () => call<Results<Rotated>>("rotate", request));
  };
  // A failure names the request that failed, if one did; the last one that was seen is none of its.
  const shown = sending.state === "ended" ? { ...sending, progress: new Map() } : sending;
  return (
    <FormFrame
      {...form.frame}
      sending={shown}
      why={why}
      intro="The store makes a new password, its reactor sets it at the account that is not in use, and then puts it here. Nobody sees it. After a break, rotate again: it goes on from wherever it stands."
      submit="Rotate now"
      valid={valid}
      onSubmit={send}
      more={
        <Button icon="eye" busy={plan.busy} onClick={look}>
          Show the plan
        </Button>
      }
      steps={<StepList uri={uri} now={step} />}
      done={(result) => <RotatedRow result={result} close={props.close} />}
    >
      <PlacesField places={places} stores={stores} command="rotate" shown={attempted} />
      <fieldset class="form-group">
        <legend>Accounts</legend>
        <TextField label="One account" mono placeholder="pg://orders_a" value={draft.accounts[0]} error={attempted ? accountProblem(draft.accounts[0] || draft.accounts[1]) : ""} onInput={(text) => set({ accounts: [text, draft.accounts[1]] })} />
        <TextField label="The other one" optional mono placeholder="pg://orders_b" value={draft.accounts[1]} error={attempted && draft.accounts[1] !== "" ? accountProblem(draft.accounts[1]) : ""} hint="Two take turns, so that what stands here logs in at every moment." onInput={(text) => set({ accounts: [draft.accounts[0], text] })} />
        {accounts.length === 1 && <Warning text={ONE} />}
      </fieldset>
      <KnownKeys uri={uri} keys={["username", ...draft.recipes.map(({ key }) => key)]} otherwise="A rotation replaces all of it: it will have “username” and the keys below, and no others." add={(keys) => set({ recipes: [...draft.recipes, ...keys.map((key) => newRecipe(key, "text"))] })} />
      <RecipesField recipes={draft.recipes} onChange={(recipes) => set({ recipes })} shown={attempted} />
      <More title="Times" summary={`grace ${draft.grace || "1d"}, ${draft.every === "" ? "no day on which it is due again" : `due again after ${draft.every}`}`}>
        <TextField label="Grace" optional placeholder="1d" value={draft.grace} hint="How long programs may go on with what they read before the last round." onInput={(grace) => set({ grace })} />
        <TextField label="Due again after" optional placeholder="30d" value={draft.every} hint="Becomes a label, for those who look. Nothing rotates by itself." onInput={(every) => set({ every })} />
      </More>
      <div role="status">
        {plan.failure !== null && <FailureBox failure={plan.failure} />}
        {plan.shown !== null && <Plan plan={plan.shown} uri={uri} />}
      </div>
      {(draft.adopt || (plan.shown?.step === "STOP" && !plan.shown.waits)) && <Checkbox label="Begin anew from what is live (--adopt)" hint="Only if you understand what happened. The account that is not live gets a new password, whatever it has." checked={draft.adopt} onChange={(adopt) => set({ adopt })} />}
      {(draft.force || plan.shown?.waits === true) && <Checkbox label="Do not wait for the grace (--force)" hint="After a theft. Programs that have not read again will fail." checked={draft.force} onChange={(force) => set({ force })} />}
    </FormFrame>
  );
}

/** What is typed, over what the last rounds were asked for. */
function useDraft(uri: string) {
  const { data } = useAnswer<Rounds>(uri === "" ? null : "rounds", { uri }, { when: () => false });
  const [typed, setTyped] = useState<Partial<Draft>>({});
  const begun = useMemo(() => {
    const made = recipesFrom(data?.recipes ?? {});
    const [one = "", other = ""] = data?.accounts ?? [];
    return { accounts: [one, other] as const, recipes: made.length > 0 ? made : [{ ...newRecipe(), size: "32" }], grace: "", every: data?.every ?? "", adopt: false, force: false };
  }, [data]);
  const draft: Draft = { ...begun, ...typed };
  return { draft, set: (change: Partial<Draft>) => setTyped((before) => ({ ...before, ...change })) };
}

/** The plan of exactly this request; of another one nothing is shown. */
function usePlan(request: RotateRequest) {
  const key = JSON.stringify(request);
  const [held, setHeld] = useState<{ key: string; planned?: Planned; failure?: Failure }>({ key: "" });
  const [busy, setBusy] = useState(false);
  const look = async () => {
    setBusy(true);
    try {
      setHeld({ key, planned: await call<Planned>("plan-rotation", request) });
    } catch (error) {
      setHeld({ key, failure: failureOf(error) });
    } finally {
      setBusy(false);
    }
  };
  const isThis = held.key === key;
  return { busy, look, shown: (isThis && held.planned) || null, failure: (isThis && held.failure) || null, forget: () => setHeld({ key: "" }) };
}

function useStep(uri: string): RotationStep {
  const [step, setStep] = useState<RotationStep>("LOOK");
  useLive("step", (told) => told.uri === uri && setStep(told.step));
  return step;
}

function accountProblem(text: string): string {
  if (!text.includes("://")) return "Write its whole URI, for example pg://orders_a.";
  return pathProblem(partsOf(text.trim()).path);
}

function Plan({ plan, uri }: { plan: Planned; uri: string }) {
  if (plan.step === "STOP")
    return (
      <Banner tone="warn" icon="alert">
        <strong>It would stop: </strong>
        <Said text={plan.why} /> <Said text={plan.fix} />
      </Banner>
    );
  const account = <Uri uri={plan.account} still />;
  return (
    <Banner tone="info" icon="info">
      {plan.step === "MAKE_VALUES" && <>A new round begins: {account} gets a new password.</>}
      {plan.step === "SET_ACCOUNT" && <>A round is under way. It goes on: {account} gets the password that was made.</>}
      {plan.step === "SWITCH" && (
        <>
          A round is under way, and {account} has its password. It goes on: <Uri uri={uri} still /> gets it.
        </>
      )}
      {plan.began_at !== "" && (
        <>
          {" "}
          The last round began <Time at={plan.began_at} />.
        </>
      )}
    </Banner>
  );
}

const STEPS: readonly (readonly [RotationStep, string])[] = [
  ["LOOK", "Look what is there"],
  ["MAKE_VALUES", "Make new values beside the secret"],
  ["SET_ACCOUNT", "Copy the password to the account"],
  ["PROVE", "Have the account’s store verify it"],
  ["SWITCH", "Copy everything to the secret"],
];

function StepList({ uri, now }: { uri: string; now: RotationStep }) {
  const at = STEPS.findIndex(([step]) => step === now);
  if (now === "WAIT") return <p>The end of a step is not known. After some minutes, when nothing late can follow, it looks again and goes on.</p>;
  return (
    <ol class="send-steps send-steps-down" aria-label={`Rotation of ${uri}`}>
      {STEPS.map(([step, text], order) => (
        <li key={step} class={`send-step ${order < at ? "is-done" : order === at ? "is-now" : ""}`} aria-current={order === at ? "step" : undefined}>
          {order < at ? <Icon name="check" /> : <span class="send-dot" />}
          {text}
          {order <= at && <span class="unseen">{order < at ? ": done" : ": now"}</span>}
        </li>
      ))}
    </ol>
  );
}

function RotatedRow({ result, close }: { result: Rotated; close: () => void }) {
  return (
    <DoneHead uri={result.uri} outcome={result.outcome} requestId="" close={close}>
      <p>{result.joined ? "Another run was faster, and ended this round. " : ""}Receipts of both stores prove it: the account has the password that stands here, by its hash.</p>
      <Facts
        of={[
          ["Live account", <Uri uri={result.account} still />],
          ["Version", <code>{shortVersion(result.upstream_version)}</code>],
          ["Hash", <Hash hash={result.hash} copy />],
          ["Begun", <Time at={result.began_at} />],
        ]}
      />
    </DoneHead>
  );
}
