/** A sentence of monoctl, which it prints after "error: ": here it begins with a capital letter, and `commands` look like commands. */

import { onPage } from "./onPage";

/** The sentence with a capital letter, unless it begins with a name such as m8 or with a URI. */
function asSentence(text: string): string {
  const first = text.split(" ", 1)[0] ?? "";
  return /^[a-z]+[,;]?$/.test(first) && first !== "monoctl" ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

export function Said({ text }: { text: string }) {
  const said = asSentence(onPage(text));
  const pieces = said.split("`");
  // An odd number of backticks is a text of somebody else: it stands as it is.
  if (pieces.length % 2 === 0) return <>{said}</>;
  return <>{pieces.map((piece, at) => (at % 2 === 1 ? <code key={at}>{piece}</code> : piece))}</>;
}
