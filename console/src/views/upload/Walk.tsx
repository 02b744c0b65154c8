/** The walk of a request as a line of steps. */

import type { Event, Upload } from "../../api/documents/requests";
import { Icon, Time } from "../../parts";
import { type Step, stepsOf } from "./steps";

const STATES: Record<Step["at"], string> = { done: "done", now: "reached now", failed: "failed", next: "to come", skipped: "not needed" };

export function Walk({ upload, events }: { upload: Upload; events: readonly Event[] }) {
  const steps = stepsOf(upload, events);
  return (
    <>
      <ol class="walk">
        {steps.map((step) => (
          <li key={step.title} class={`step step-${step.at}`}>
            <span class="step-mark">
              <Icon name={step.at === "done" && step.icon !== "shieldCheck" ? "check" : step.icon} label={STATES[step.at]} />
            </span>
            <div>
              <p class="step-title">{step.title}</p>
              <p class="step-what">{step.what}</p>
              {step.when !== "" && (
                <p class="step-when">
                  <Time at={step.when} />
                  {step.who !== "" && ` by ${step.who}`}
                </p>
              )}
            </div>
          </li>
        ))}
      </ol>
      <p class="small faint walk-note">The steps and their times are m8's word. Only the receipt at the end is proof.</p>
    </>
  );
}
