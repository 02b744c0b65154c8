/** What takes long to make is made at its first use, so that the first view need not wait for it. */
export function lazy<T>(make: () => T): () => T {
  let made: { it: T } | undefined;
  return () => (made ??= { it: make() }).it;
}

/** Return a whole number that is not negative with a comma between thousands, as `toLocaleString("en")`, which loads much at its first use. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
