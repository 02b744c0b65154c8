/** What takes long to make is made at its first use, so that the first view need not wait for it. */
export function lazy<T>(make: () => T): () => T {
  let made: { it: T } | undefined;
  return () => (made ??= { it: make() }).it;
}
