/** The labels of a secret as small words. */

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
