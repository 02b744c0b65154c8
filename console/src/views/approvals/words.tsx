/** What changes and their states are called. */

import type { Change, SaidBy } from "../../api/documents/changes";
import { Badge, Icon, type IconName, type Tone } from "../../parts";

/** What each purpose that writes is called. */
const WHAT: Readonly<Record<string, string>> = {
  UPLOAD: "Put",
  PATCH: "Change keys of",
  DELETE: "Delete",
  UNDELETE: "Undelete",
  ROLLBACK: "Roll back",
  GENERATE: "Generate",
  COPY: "Copy to",
};

/** What is to be done, before the place that is written. An unknown purpose is shown as it is. */
export function whatOf({ purpose }: { purpose: string }): string {
  return WHAT[purpose] ?? purpose;
}

export const STATES: Readonly<Record<string, { text: string; tone: Tone; icon: IconName; means: string }>> = {
  OPEN: { text: "Open", tone: "info", icon: "clock", means: "It can be approved and executed." },
  DONE: { text: "Done", tone: "good", icon: "check", means: "A request executed it." },
  OVERTAKEN: { text: "Overtaken", tone: "warn", icon: "alert", means: "Another version is there than it expects: nobody can execute it." },
  ENDED: { text: "Ended", tone: "plain", icon: "minus", means: "Its time is over." },
  WITHDRAWN: { text: "Withdrawn", tone: "plain", icon: "x", means: "Its requester withdrew it." },
  DECLINED: { text: "Declined", tone: "bad", icon: "x", means: "Somebody who may approve declined it." },
};

/** The state in a word: m8's word, but for what a receipt proves. */
export function State({ of: { state, done } }: { of: Change }) {
  const known = STATES[state];
  if (known === undefined) return <Badge>{state}</Badge>;
  return (
    <Badge tone={known.tone} icon={known.icon} title={`${known.means} ${done ? "A receipt of the pinned identity proves that it was done." : "That is m8’s word."}`}>
      {known.text}
    </Badge>
  );
}

const SAYS: Readonly<Record<Exclude<SaidBy, "change">, { icon: IconName; look: string; words: string }>> = {
  receipt: { icon: "shieldCheck", look: "proven", words: "Proven" },
  here: { icon: "check", look: "proven", words: "Checked here" },
  not: { icon: "alert", look: "false", words: "Does not hold" },
  m8: { icon: "shield", look: "word", words: "m8’s word" },
};

/** Who says a line. What the change itself says is what is signed: nothing stands beside it. */
export function Says({ by }: { by: SaidBy }) {
  if (by === "change") return null;
  const { icon, look, words } = SAYS[by];
  return (
    <span class={`proof proof-${look}`}>
      <Icon name={icon} />
      <span>{words}</span>
    </span>
  );
}
