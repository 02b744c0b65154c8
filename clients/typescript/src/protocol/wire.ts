// Strict bytes: a message counts only in the one form in which it is serialised (docs/protocol.md, Bytes).
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Bytes, equal } from "./bytes.ts";
import { MalformedError } from "./errors.ts";

/** The one serialised form of a message: fields in number order, defaults left out. */
export function serialise<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Bytes {
  return new Uint8Array(toBinary(schema, create(schema, message), { writeUnknownFields: false }));
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
