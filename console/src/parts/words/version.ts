/** Versions of engines as people read them. */

/** Return the version as its engine shows it and people type it: what stands before its "@". */
export function shortVersion(version: string): string {
  return /^([0-9]{1,19}|[0-9A-Za-z-]{32,64})@./.exec(version)?.[1] ?? version;
}
