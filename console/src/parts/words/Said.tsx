/** A sentence of monoctl, which it prints after "error: ": here it begins with a capital letter, `commands` look like commands, and options have the page’s names.
 *
 * The client's sentences name its options, such as `overwrite`: here they name what stands on the page instead.
 *
 * What is not known stays as it is: an option of a command is still better than nothing.
 */

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/Leave `expect` out for this store/g, "Leave “What must be there now” as it is for this store"],
  [/ with `overwrite`/g, " and choose “Whatever is there”"],
  [/`expect`/g, "“What must be there now”"],
  [/then with `binary` base64/g, "then tick “Store values that are not text as base64”"],
  [/or use --from-file or --from-json/g, "or read it as “one key, exact bytes”"],
  [/Use --from-file for bytes/g, "Read it as “one key, exact bytes”"],
  [/with --each \(see `monoctl put secret --help`\)/g, "with “One secret for each key”"],
  [/ A longer timeout lets the client wait for it\./g, ""],
  [/, raise the timeout, or/g, ", or"],
  [/, or raise the timeout/g, ""],
  [/`monoctl get secret --versions`/g, "the history on the page of the secret"],
  [/`?monoctl describe secret-store`?/g, "the view “Stores”"],
];

/** Return a sentence of monoctl with the page's own words in place of options. */
function onPage(text: string): string {
  return WORDS.reduce((said, [option, words]) => said.replace(option, words), text);
}

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
