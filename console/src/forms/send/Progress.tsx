/** How far the requests of a form have come: asked, sent, proven. */

import type { ComponentChildren } from "preact";
import { Icon, Uri } from "../../parts";
import { useCell } from "../../state/cell";
import { away } from "../../state/me";
import type { Progress, Stage } from "./useSending";

const ORDER: readonly Stage[] = ["waiting", "asking", "signing", "sent", "ended"];
const WORDS: Readonly<Record<Stage, string>> = {
  waiting: "waits for its turn",
  asking: "asks the store for a one-time key",
  signing: "is being signed",
  sent: "is sent; the store's receipt is awaited",
  ended: "has ended; monoctl checks the receipt",
};

/** What each step is called; commands that seal nothing have other words for the first. */
const STEPS: readonly (readonly [Stage, string])[] = [
  ["asking", "asking"],
  ["sent", "sent"],
  ["ended", "proven"],
];

/** Show `children`, or one row for each secret. It is told to screen readers as it changes. */
export function ProgressList({ progress, children }: { progress: ReadonlyMap<string, Progress>; children?: ComponentChildren }) {
  const isAway = useCell(away) !== "";
  const isTouch = [...progress.values()].some(({ touch }) => touch);
  return (
    <div role="status" aria-label="Progress">
      {isAway && (
        <p class="form-warning">
          <Icon name="alert" /> m8 does not answer now. monoctl goes on as soon as it does, and says what came of it when the time is over.
        </p>
      )}
      {isTouch && (
        <p class="banner banner-warn">
          <Icon name="key" /> Touch your security key to sign.
        </p>
      )}
      {children ?? (
        <ul class="send-rows">
          {[...progress].map(([uri, { stage }]) => (
            <li key={uri} class="send-row">
              <Uri uri={uri} still />
              <Steps stage={stage} />
              <span class="unseen">{WORDS[stage]}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Steps({ stage }: { stage: Stage }) {
  const at = ORDER.indexOf(stage);
  return (
    <ol class="send-steps" aria-hidden="true">
      {STEPS.map(([step, title]) => {
        const order = ORDER.indexOf(step);
        const isSigning = stage === "signing" && step === "sent";
        const look = order < at ? "is-done" : order === at || isSigning ? "is-now" : "is-next";
        return (
          <li key={step} class={`send-step ${look}`}>
            {order < at ? <Icon name="check" /> : <span class="send-dot" />}
            {isSigning ? "signing" : title}
          </li>
        );
      })}
    </ol>
  );
}
