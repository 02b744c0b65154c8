// Strict bytes: a message counts only in the one form in which it is serialised (docs/protocol.md, Bytes).
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Bytes, equal } from "./bytes.ts";
import { MalformedError } from "./errors.ts";

/**
 * The one serialised form of a message: fields in number order, defaults left out.
 *
 * Throws `MalformedError` for a field that holds what it cannot hold, and for a text with half of a surrogate pair,
 * which an encoder would replace in silence.
 */
export function serialise<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Bytes {
  if (!isWellFormed(message)) throw new MalformedError(schema.name, "content", "has a text with half of a character (an unpaired surrogate)");
  try {
    return new Uint8Array(toBinary(schema, create(schema, message), { writeUnknownFields: false }));
  } catch {
    // The library's own text names the content.
    throw new MalformedError(schema.name, "content", "has a field of another type than it must have");
  }
}

function isWellFormed(of: unknown): boolean {
  if (typeof of === "string") return !/\p{Surrogate}/u.test(of);
  if (typeof of !== "object" || of === null || of instanceof Uint8Array) return true;
  return Object.values(of).every(isWellFormed);
}

/** The message in `content`. Throws `MalformedError` if it does not parse or is not in its one form. */
export function parse<D extends DescMessage>(schema: D, content: Uint8Array): MessageShape<D> {
  let message: MessageShape<D>;
  let again: Uint8Array;
  try {
    message = fromBinary(schema, content, { readUnknownFields: false });
    again = toBinary(schema, message, { writeUnknownFields: false });
  } catch {
    throw new MalformedError(schema.name, "content", "does not parse");
  }
  if (!equal(again, content)) throw new MalformedError(schema.name, "content", "is not in its one serialised form");
  return message;
}
