/** Who did something: the name with the end of the id, or the id where no name is known. The whole id is in its tip. */

import { usePeople } from "../../state/people";

export function Person({ of }: { of: string }) {
  const shown = usePeople()(of);
  return shown === of ? <>{of}</> : <span title={`${of}. The name is m8's word.`}>{shown}</span>;
}
