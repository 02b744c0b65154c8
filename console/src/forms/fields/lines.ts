/** Names with values as one line of text. */

/** Say what is wrong with "NAME=VALUE, NAME=VALUE", "" for nothing. */
export function labelLines(text: string): string {
  const parts = text.split(",").map((part) => part.trim());
  return text === "" || parts.every((part) => /^[^=]+=/.test(part)) ? "" : "Write NAME=VALUE.";
}
