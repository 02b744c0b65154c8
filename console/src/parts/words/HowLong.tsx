/** For how long something has been so, e.g. "20 min"; exactly since when on hover. */

import { exact, lengthWords, useNow } from "./Time";

export function HowLong({ since }: { since: string }) {
  const now = useNow();
  const at = Date.parse(since);
  if (Number.isNaN(at)) return <>an unknown time</>;
  return <time dateTime={since} title={exact(since)}>{lengthWords(Math.max(0, now - at) / 1000)}</time>;
}
