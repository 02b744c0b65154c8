/** Who the user is, and whether m8 and monoctl answer. */

import type { Failure, Me } from "../api/types";
import { cell, useCell } from "./cell";

const NOBODY: Me = {
  subject: "",
  role: "",
  prefixes: [],
  rights: [],
  expires: "",
  server: "",
  m8_version: "",
  monoctl_version: "",
  away: "",
};

export const me = cell<Me>(NOBODY);

/** The sentence that says why m8 does not answer; "" while it does. */
export const away = cell("");

/** When m8 answered again after it had been away, in milliseconds since 1970; 0 if that is long ago. */
export const backSince = cell(0);

/** Why nothing can be asked any more: the session or monoctl has ended. */
export const ended = cell<Failure | null>(null);

/** Return who the user is; the component is drawn again when that changes. */
export function useMe(): Me {
  return useCell(me);
}

/** Return why the user may not do what takes `right`, in words for a tip; "" if they may. monoctl and m8 decide; this only explains. */
export function whyNot(right: string, who: Me = me.get()): string {
  if (who.role === "" || who.rights.includes(right)) return "";
  if (who.role === "administrator") return "Administrators manage stores. Secrets are put by users.";
  return `Your credential has no right “${right}”. Ask who issued it.`;
}
