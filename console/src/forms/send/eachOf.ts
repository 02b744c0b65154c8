/** An operation about one secret, for several: one after the other, a row for each. */

import type { Results, Row } from "../../api/documents/results";
import { failureOf } from "./useSending";

/** Return the rows of all calls; a call that is refused is a row of its own, and ends nothing. */
export async function eachOf<T>(uris: readonly string[], work: (uri: string) => Promise<Results<T>>): Promise<Results<T>> {
  const results: Row<T>[] = [];
  const notes = new Set<string>();
  for (const uri of uris) {
    try {
      const answer = await work(uri);
      results.push(...answer.results);
      for (const note of answer.notes) notes.add(note);
    } catch (error) {
      results.push({ failed: { ...failureOf(error), uri } });
    }
  }
  return { results, notes: [...notes] };
}
