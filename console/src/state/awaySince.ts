/** Since when m8 does not answer, as far as this page has seen. */

import { cell } from "./cell";
import { away } from "./me";

const now = (): string => (away.get() === "" ? "" : new Date().toISOString());

/** A moment, ISO 8601; "" while m8 answers. */
export const awaySince = cell(now());

away.follow(() => {
  if (away.get() === "") awaySince.set("");
  else if (awaySince.get() === "") awaySince.set(now());
});
