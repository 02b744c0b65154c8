/** Sending values: first checked by monoctl without sending, so that a refusal that can be known costs nobody what they typed. */

import { callWithValues, Refused } from "../../api/call";
import type { Preview, Results } from "../../api/documents/results";
import type { Values } from "../values/useValues";

/** Have monoctl say what would be sent; nothing is written. @throws Refused if it would refuse any of it. */
export async function previewed(operation: "put" | "patch", request: object, values: Values): Promise<Preview[]> {
  const { results } = await callWithValues<Results<Preview>>(operation, { ...request, dry_run: true }, await values.copies());
  return results.map((row) => {
    if ("failed" in row) throw new Refused(row.failed);
    return row.done;
  });
}

/** Check, then forget the values and send copies of them, which are overwritten. */
export async function sendChecked<T>(operation: "put" | "patch", request: object, values: Values): Promise<Results<T>> {
  await previewed(operation, request, values);
  return sendOnce<T>(operation, request, values);
}

/** Forget the values and send copies of them, which are overwritten. */
export async function sendOnce<T>(operation: "put" | "patch" | "compare", request: object, values: Values): Promise<Results<T>> {
  const copies = await values.copies();
  values.forget();
  return callWithValues<Results<T>>(operation, request, copies);
}
