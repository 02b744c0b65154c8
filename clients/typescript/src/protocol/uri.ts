// The secret URI, `store://segment/segment…` (docs/protocol.md, Bytes). No URL library sees it.
import { UsageError } from "./errors.ts";

const STORE = /^[a-z][a-z0-9-]{0,62}$/;
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const MAX_SEGMENTS = 16;
const MAX_BYTES = 512;

/** Whether a text can be the name of a store. */
export function isStoreName(text: string): boolean {
  return STORE.test(text);
}

/** Whether a text can be a segment of a path. */
export function isSegment(text: string): boolean {
  return SEGMENT.test(text);
}

/** A parsed URI: to hold one means that it is valid. */
export class SecretUri {
  readonly store: string;
  readonly path: readonly string[];

  private constructor(store: string, path: readonly string[]) {
    this.store = store;
    this.path = path;
  }

  /** Parses a whole URI. Throws `UsageError` with the rule that it breaks. */
  static parse(text: string): SecretUri {
    const at = text.indexOf("://");
    if (at < 0) throw new UsageError("a secret URI is store://segment/segment.");
    const store = text.slice(0, at);
    const path = text.slice(at + 3).split("/");
    if (!isStoreName(store)) throw new UsageError("a store's name is 1 to 63 of a-z, 0-9 and '-', a letter first.");
    if (path.length > MAX_SEGMENTS) throw new UsageError(`a path has at most ${MAX_SEGMENTS} segments.`);
    if (!path.every(isSegment)) {
      throw new UsageError("a segment is 1 to 128 of A-Z, a-z, 0-9, '_', '.' and '-', and starts with neither '.' nor '-'.");
    }
    if (text.length > MAX_BYTES) throw new UsageError(`a secret URI has at most ${MAX_BYTES} bytes.`);
    return new SecretUri(store, path);
  }

  toString(): string {
    return `${this.store}://${this.path.join("/")}`;
  }
}
