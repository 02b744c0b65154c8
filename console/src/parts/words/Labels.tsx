/** Short texts: labels, lists, numbers with a comma between thousands, and versions of engines as people read them. */

/** `none` is said if there are none; without it nothing is. */
export function Labels({ of, none = "" }: { of: Readonly<Record<string, string>>; none?: string }) {
  const all = Object.entries(of);
  if (all.length === 0) return none === "" ? null : <span class="faint">{none}</span>;
  return (
    <ul class="labels" aria-label="Labels">
      {all.map(([name, value]) => (
        <li class="label" key={name}>
          {name}
          {value !== "" && (
            <>
              =<b>{value}</b>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Several short texts, one after the other on as many lines as they need. */
export function List({ of, mono = false }: { of: readonly string[]; mono?: boolean }) {
  return (
    <ul class="inline-list">
      {of.map((one) => (
        <li key={one} class={mono ? "mono" : ""}>
          {one}
        </li>
      ))}
    </ul>
  );
}

/** Return a whole number that is not negative with a comma between thousands, as `toLocaleString("en")`, which loads much at its first use. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Return the version as its engine shows it and people type it: what stands before its "@". */
export function shortVersion(version: string): string {
  return /^([0-9]{1,19}|[0-9A-Za-z-]{32,64})@./.exec(version)?.[1] ?? version;
}
