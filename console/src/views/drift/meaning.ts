/** What it means that an engine says something else than the newest receipt, and what to do. */

import type { FormName } from "../../state/openForm";

export interface DriftWord {
  status: string;
  title: string;
  meaning: string;
  /** What to do, in the order in which it makes sense. */
  steps: { form: FormName; button: string; why: string }[];
}

export const DRIFT_WORDS: readonly DriftWord[] = [
  {
    status: "GONE",
    title: "Gone",
    meaning: "The engine holds nothing at this place any more. Somebody deleted it there, and not through m8.",
    steps: [
      { form: "verify", button: "Verify again", why: "Somebody may have brought it back." },
      { form: "put", button: "Put it again", why: "You need the value for this: m8 cannot give it back." },
    ],
  },
  {
    status: "DRIFTED",
    title: "Drifted",
    meaning: "The engine holds something that no receipt names. Somebody changed it there, and not through m8.",
    steps: [
      { form: "import", button: "Import it", why: "If the change was right: m8 adopts what is there, and nothing is written." },
      { form: "put", button: "Put it again", why: "If the change was wrong: put the right value, and allow to overwrite." },
      { form: "verify", button: "Verify again", why: "If somebody has mended it in the engine." },
    ],
  },
  {
    status: "OVERWROTE",
    title: "Overwrote",
    meaning: "The last put replaced what others had put into the engine. What they had put is gone from the current version.",
    steps: [{ form: "verify", button: "Verify", why: "If the engine still holds what was put, the secret is in sync from then on. Ask the others whether they miss theirs." }],
  },
];
