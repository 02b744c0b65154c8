/** URIs as forms have them: a store and a path. The rules are those of monoskope.uri; monoctl checks them again. */

import { partsOf } from "../parts";

/** Where a secret is or shall be. */
interface Parts {
  store: string;
  path: string;
}

/** Return the secret that is rotated where new values stand at `uri`, which has the round's labels; any other URI as it is. */
export function rotatedAt(uri: string): string {
  return uri.replace(/\.next$/, "");
}

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Write a URI. */
export function uriOf({ store, path }: Parts): string {
  return `${store}://${path}`;
}

/** What a path names: one secret, all secrets to be made below it (it ends in "/"), or any prefix, also the whole store. */
export type Names = "secret" | "folder" | "prefix";

/** Say what is wrong with a path, "" if nothing is. */
export function pathProblem(path: string, names: Names = "secret"): string {
  if (names === "prefix" && path === "") return "";
  if (path === "") return "Name the path, for example app/db.";
  if (path.includes("://")) return "Choose the store at the left; the path has no “://”.";
  if (names === "folder" && !path.endsWith("/")) return "With one secret a key, the path ends in “/”.";
  const segments = (names === "secret" ? path : path.replace(/\/$/, "")).split("/");
  if (segments.length > 16) return "A path has at most 16 parts.";
  if (names === "secret" && path.endsWith("/")) return "A secret's path does not end in “/”.";
  if (segments.some((segment) => segment === "")) return "A part between two “/” is empty.";
  const wrong = segments.find((segment) => !SEGMENT.test(segment));
  return wrong === undefined ? "" : partProblem(wrong);
}

/** Say what is wrong with one part of a path: first what most people type by mistake. */
function partProblem(part: string): string {
  const [strange] = /[^A-Za-z0-9._-]/u.exec(part) ?? [];
  if (strange !== undefined) return `A path has no ${/\s/u.test(strange) ? "spaces" : `“${strange}”`}. Its parts are of A–Z, a–z, 0–9, “_”, “.” and “-”, with “/” between them.`;
  return part.length > 128 ? "Each part of a path has at most 128 characters." : "A part of a path does not begin with “.” or “-”.";
}

/** The part of a typed path that stands in folders, e.g. "app/" of "app/d". */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** Return what a typed path may go on with: the next folders, with "/" behind them, and secrets. */
export function completions(uris: readonly string[], store: string, path: string): string[] {
  const folder = folderOf(path);
  const found = new Set<string>();
  for (const uri of uris) {
    const known = partsOf(uri);
    if (known.store !== store || !known.path.startsWith(folder)) continue;
    const rest = known.path.slice(folder.length);
    const slash = rest.indexOf("/");
    found.add(folder + (slash < 0 ? rest : rest.slice(0, slash + 1)));
  }
  return [...found].sort();
}
