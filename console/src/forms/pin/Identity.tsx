/** Identities as people compare them: in groups of four, with what differs marked. */

import { groups, runs } from "./differ";

/** An identity in groups. It cannot be selected: what is pasted to compare must come from the operator, not from here. */
export function Grouped({ identity }: { identity: string }) {
  return (
    <p class="identity">
      <span class="unseen">{identity}</span>
      {groups(identity).map((group, at) => (
        <span key={at} aria-hidden="true">
          {group}
        </span>
      ))}
    </p>
  );
}

/** An identity whose characters that differ from `other` are marked, by more than a colour. */
export function Marked({ identity, other }: { identity: string; other: string }) {
  return (
    <code class="identity-marked">
      {runs(identity, other).map(({ text, differs }, at) => (differs ? <mark key={at}>{text}</mark> : <span key={at}>{text}</span>))}
    </code>
  );
}
