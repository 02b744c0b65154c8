/** Tables that are asked with words of m8. */

/** Return what `table` has for a word; undefined for one that it lacks, also for those that every object has, such as "constructor". */
export function known<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
