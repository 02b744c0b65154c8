/** Numbers as they are read. */

/** Return a whole number that is not negative with a comma between thousands, as `toLocaleString("en")`, which loads much at its first use. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
