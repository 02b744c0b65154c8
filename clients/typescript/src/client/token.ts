// Whom a token names.

/**
 * The `sub` of a JWT, which is not verified: a grant must name it. Null for a text that is no JWT or names nobody.
 */
export function subjectOf(token: string): string | null {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const claims = atob((parts[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const found: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(claims, (byte) => byte.charCodeAt(0))));
    const subject = typeof found === "object" && found !== null && "sub" in found ? found.sub : null;
    return typeof subject === "string" && subject !== "" ? subject : null;
  } catch {
    return null;
  }
}
