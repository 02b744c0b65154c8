/** Comparing identities: a text as a person was told it, and where two texts differ. */

const IDENTITY = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** What a pasted text is, compared with the identity that m8 shows. */
export type Compared = "empty" | "malformed" | "different" | "equal";

/** Compare what the user was told with what m8 shows. White space around it and breaks within it do not count. */
export function compared(told: string, shown: string): Compared {
  const text = told.replace(/\s+/g, "");
  if (text === "") return "empty";
  if (text === shown) return "equal";
  return IDENTITY.test(text) ? "different" : "malformed";
}

/** A run of characters of a text, and whether they differ from those of the other text at the same places. */
interface Run {
  text: string;
  differs: boolean;
}

/** Cut `text` into runs of characters that are equal to, or differ from, those of `other`. */
export function runs(text: string, other: string): Run[] {
  const found: Run[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const differs = text[at] !== other[at];
    const last = found[found.length - 1];
    if (last !== undefined && last.differs === differs) last.text += text.charAt(at);
    else found.push({ text: text.charAt(at), differs });
  }
  return found;
}

/** Cut an identity into groups that the eye can compare: "SHA256:" and then four characters at a time. */
export function groups(identity: string): string[] {
  const colon = identity.indexOf(":") + 1;
  return [identity.slice(0, colon), ...(identity.slice(colon).match(/.{1,4}/g) ?? [])].filter((text) => text !== "");
}
