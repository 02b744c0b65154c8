// The secret in its one form, and its padding (docs/protocol.md, The walk, step 4).
import { byteOrder, type Bytes } from "./bytes.ts";
import { UsageError } from "./errors.ts";

export const MAX_KEYS = 64;
const MIN_PADDED = 512;
const MAX_PADDED = 1_048_576;
const KEY = /^[A-Za-z0-9_.-]{1,253}$/;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const [QUOTE, COLON, COMMA, OPEN, CLOSE, SPACE, PAD] = [34, 58, 44, 123, 125, 32, 61] as const;

/** Whether a text can be a key of a secret. */
export function isKey(text: string): boolean {
  return KEY.test(text) && text !== "." && !text.startsWith("..");
}

/** Whether a size is one of 512, 1,024, … 1,048,576. */
export function isPaddedSize(size: number): boolean {
  return size >= MIN_PADDED && size <= MAX_PADDED && (size & (size - 1)) === 0;
}

/**
 * The padded plaintext of a secret: `{"key":"value",…}` and spaces.
 *
 * It makes no text of a value, for JavaScript cannot overwrite a text: what it returns is the one copy that it leaves.
 * Throws `UsageError`, which names keys and sizes and no value.
 */
export function encode(values: Readonly<Record<string, Uint8Array>>): Bytes {
  const keys = Object.keys(values).sort(byteOrder);
  if (keys.length < 1 || keys.length > MAX_KEYS) throw new UsageError(`a secret has 1 to ${MAX_KEYS} keys, this one ${keys.length}.`);
  for (const key of keys) {
    if (!isKey(key)) throw new UsageError(`the key ${JSON.stringify(key)} is not valid: 1 to 253 of A-Z, a-z, 0-9, '_', '.' and '-', neither '.' nor '..' first.`);
  }
  const entries = keys.map((key) => [key, bytesOf(key, values[key])] as const);
  const size = entries.reduce((sum, [key, value]) => sum + key.length + 6 + 4 * Math.ceil(value.length / 3), 1);
  const padded = new Uint8Array(paddedSize(size)).fill(SPACE);
  let at = 0;
  for (const [key, value] of entries) {
    padded[at] = at === 0 ? OPEN : COMMA;
    padded[at + 1] = QUOTE;
    at = ascii(padded, at + 2, key);
    padded.set([QUOTE, COLON, QUOTE], at);
    at = base64Into(padded, at + 3, value);
    padded[at] = QUOTE;
    at += 1;
  }
  padded[at] = CLOSE;
  return padded;
}

/** The type says that a value is bytes; programs in plain JavaScript do not read types. */
function bytesOf(key: string, value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new UsageError(`the value of ${key} is not bytes (Uint8Array).`);
  return value;
}

function paddedSize(size: number): number {
  let padded = MIN_PADDED;
  while (padded < size) padded *= 2;
  if (padded > MAX_PADDED) throw new UsageError(`the encoded secret has ${size} bytes; at most ${MAX_PADDED} are possible.`);
  return padded;
}

function ascii(target: Bytes, at: number, text: string): number {
  for (let index = 0; index < text.length; index += 1) target[at + index] = text.charCodeAt(index);
  return at + text.length;
}

function base64Into(target: Bytes, at: number, value: Uint8Array): number {
  for (let index = 0; index < value.length; index += 3) {
    const left = value.length - index;
    const bits = ((value[index] ?? 0) << 16) | ((value[index + 1] ?? 0) << 8) | (value[index + 2] ?? 0);
    target[at] = CODES[bits >>> 18] ?? PAD;
    target[at + 1] = CODES[(bits >>> 12) & 63] ?? PAD;
    target[at + 2] = left > 1 ? (CODES[(bits >>> 6) & 63] ?? PAD) : PAD;
    target[at + 3] = left > 2 ? (CODES[bits & 63] ?? PAD) : PAD;
    at += 4;
  }
  return at;
}
