// The labels that keep one signed or sealed input from being read as another (docs/protocol.md, Bytes).
import { type Bytes, concat, utf8 } from "./bytes.ts";

export const SEALED_SECRET = "m8/sealed-secret/v1";
export const UPLOAD_GRANT = "m8/upload-grant/v1";
export const RECEIPT = "m8/receipt/v1";
export const IDENTITY_ROTATION = "m8/identity-rotation/v1";
export const COPY_REQUEST = "m8/copy-request/v1";
export const SIGNED_REQUEST = "m8/signed-request/v1";

/** A label, one zero byte and the content. */
export function labelled(label: string, ...content: readonly Uint8Array[]): Bytes {
  return concat(utf8(label), new Uint8Array(1), ...content);
}
