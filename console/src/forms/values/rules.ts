/** What keys may be called, and what a dropped file most likely is. Pure functions: no value is looked at. */

/** How a source is read: as typed, a file's exact bytes under one key, or many keys that monoctl parses. */
export type Reading = "text" | "file" | "env" | "json";

/** The largest file that is read at all, in bytes: no secret can be larger. */
export const MAX_FILE = 1_048_576;

/** How many characters a field takes. Chromium draws dots in a time that grows with the square of them: minutes for a million. */
export const MOST_TYPED = 32_768;

/** How many keys a secret has at most. */
export const MAX_KEYS = 64;

const KEY = /^[A-Za-z0-9_.-]{1,253}$/;

/** Say what is wrong with a key, "" if nothing is. The rule is that of monoskope.protocol.payload. It never repeats the key. */
export function keyProblem(key: string): string {
  if (key === "") return "Name the key.";
  if (key.includes("=")) return "A key has no “=”. The value goes into its own field.";
  if (!KEY.test(key)) return "A key has 1 to 253 of A–Z, a–z, 0–9, “_”, “.” and “-”.";
  if (key === "." || key.startsWith("..")) return "A key is not “.” and does not begin with “..”.";
  return "";
}

/** Return the keys that stand more than once among `keys`. */
export function twice(keys: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const found = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) found.add(key);
    seen.add(key);
  }
  return found;
}

/** Guess how a file is read, from its name alone. */
export function readingOf(name: string): Reading {
  const low = name.toLowerCase();
  if (low === ".env" || low.startsWith(".env.") || low.endsWith(".env")) return "env";
  return low.endsWith(".json") ? "json" : "file";
}

/** Make a key from a file's name: "tls key.pem" becomes "tls_key.pem". "" if nothing of it can stand in a key. */
export function keyOf(name: string): string {
  return name
    .replace(/[^A-Za-z0-9_.-]+/g, "_")
    .replace(/^\.+/, "")
    .slice(0, 253);
}

/** Whether pasted text holds lines of an env file rather than the name of a key. */
export function looksLikeLines(text: string): boolean {
  return text.includes("=") || text.trim().includes("\n");
}

/** Whether text pasted into the field of a value is an env file rather than a value: two of its lines are KEY=VALUE. */
export function looksLikeEnvFile(text: string): boolean {
  return (text.match(/^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=/gm) ?? []).length > 1;
}

/** Say a size in words, e.g. "1,234 bytes". */
export function bytes(size: number): string {
  return size === 1 ? "1 byte" : `${size.toLocaleString("en")} bytes`;
}
