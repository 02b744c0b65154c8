/** Who did something: the name with the end of the id, or the id where no name is known. The whole id is in its tip. */

import { usePeople } from "../../state/people";

export function Person({ of }: { of: string }) {
  const shown = usePeople()(of);
  if (shown === of) return <>{of}</>;
  // Anybody may choose a long name: where there is no room, the name gives way, and not the end of the id.
  const at = shown.lastIndexOf(" (");
  return (
    <span class="person" title={`${of}. The name is m8's word.`}>
      <span class="person-name">{shown.slice(0, at)}</span>
      <span class="person-end">{shown.slice(at)}</span>
    </span>
  );
}
