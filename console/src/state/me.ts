/** Who the user is, and whether m8 and monoctl answer. */

import type { Failure } from "../api/documents/sending";
import type { Me } from "../api/documents/session";
import { cell, useCell } from "./cell";

const NOBODY: Me = {
  subject: "",
  role: "",
  prefixes: [],
  rights: [],
  expires: "",
  groups: [],
  may: [],
  credential: "",
  login: "",
  server: "",
  context: "",
  m8_version: "",
  monoctl_version: "",
  signs_with: { key: "", principal: "", touch: false, trouble: "" },
  away: "",
};

export const me = cell<Me>(NOBODY);

/** The sentence that says why m8 does not answer; "" while it does. */
export const away = cell("");

/** When m8 answered again after it had been away, in milliseconds since 1970; 0 if that is long ago. */
export const backSince = cell(0);

/** Why nothing can be asked any more: the session or monoctl has ended. */
export const ended = cell<Failure | null>(null);

/** Why the page has stopped: m8's log does not hold. */
export const stop = cell<Failure | null>(null);

/** Whether the user has left the full stop that says so. What is behind it can be read then. */
export const stopLeft = cell(false);

/** Return who the user is; the component is drawn again when that changes. */
export function useMe(): Me {
  return useCell(me);
}
