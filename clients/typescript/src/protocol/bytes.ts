// Bytes: digests, comparisons and texts of them. Nothing here knows a message.

/** Bytes of their own, as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const ENCODER = new TextEncoder();

/** The bytes of a text in UTF-8. */
export function utf8(text: string): Bytes {
  return ENCODER.encode(text);
}

/** All parts, one after the other, in new bytes. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two rows of bytes are the same. Not for secrets: it stops at the first difference. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** SHA-256, 32 bytes. */
export async function sha256(...parts: readonly Uint8Array[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

/** Lower-case hex digits. */
export function hex(content: Uint8Array): string {
  return Array.from(content, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Standard base64 with padding. */
export function base64(content: Uint8Array): string {
  let text = "";
  for (let at = 0; at < content.length; at += 8_192) {
    text += String.fromCharCode(...content.subarray(at, at + 8_192));
  }
  return btoa(text);
}

/** A number of 4 bytes, big-endian. */
export function u32(value: number): Bytes {
  return new Uint8Array([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
}

/**
 * The order of texts in all messages: that of their UTF-8 bytes, which is the order of code points.
 *
 * JavaScript's own `<` compares UTF-16 units, which puts U+1F511 before U+FF5E.
 */
export function byteOrder(one: string, other: string): number {
  const left = Array.from(one, (character) => character.codePointAt(0) ?? 0);
  const right = Array.from(other, (character) => character.codePointAt(0) ?? 0);
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Whether two lists have the same texts in the same order. */
export function sameTexts(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}

/** Whether texts are in byte order, each once. */
export function sortedOnce(texts: readonly string[]): boolean {
  return texts.every((text, index) => index === 0 || byteOrder(texts[index - 1] ?? "", text) < 0);
}

/** How many characters (code points) a text has. */
export function characters(text: string): number {
  return Array.from(text).length;
}
