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
