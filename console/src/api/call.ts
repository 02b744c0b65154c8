/** Calls of `monoctl console`. The session is kept in this module's memory alone: nothing is stored, nothing is logged. */

import type { Failure, Live, Proven, Session, Source } from "./types";

let session = "";
let proofKey: CryptoKey | null = null;

/** Whether whoever answers has shown that it is the `monoctl` that began the session: a value goes to nobody else. */
let isProven = false;

/** `monoctl` refused, or could not be reached. */
export class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** The bytes of one source of a framed body. They are overwritten once they are sent. */
export interface Part {
  source: Omit<Source, "size">;
  bytes: Uint8Array;
}

/** Take the one-time token from the fragment, remove it from the address, and begin a session with it. */
export async function begin(): Promise<Session> {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  const begun = await post<Session>("begin", { token });
  session = begun.session;
  proofKey = await crypto.subtle.importKey("raw", bytesOf(begun.proof_key), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  isProven = true;
  return begun;
}

/** Call an operation that takes no value. */
export function call<T>(operation: string, request: object = {}, signal?: AbortSignal): Promise<T> {
  return post<T>(operation, request, undefined, signal);
}

/** Call an operation with values. Each part's bytes are overwritten with zeros, whatever comes of the call.
 *
 * While the live stream is broken nothing is sent: `monoctl` may have ended, and somebody else may listen in its place.
 */
export async function callWithValues<T>(operation: string, request: object, parts: Part[]): Promise<T> {
  const body = framed(request, parts);
  try {
    if (!isProven) throw new Refused(unproven());
    return await post<T>(operation, request, body);
  } finally {
    body.fill(0);
    for (const part of parts) part.bytes.fill(0);
  }
}

/** Yield what the live stream says, until it ends. Throws `Refused` if it is not ours: only `monoctl` can prove the nonce. */
export async function* live(signal: AbortSignal): AsyncGenerator<Live> {
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const body = JSON.stringify({ nonce: hexOf(nonce) });
  const response = await fetch("/api/live", { method: "POST", headers: headers("application/json"), body, signal, ...ALONE });
  if (!response.ok || response.body === null) throw new Refused(await failureOf(response));
  try {
    let isOurs = false;
    for await (const line of lines(response.body)) {
      const said = JSON.parse(line) as Live | Proven;
      if (isOurs && said.kind !== "proof") yield said;
      else if (isOurs || said.kind !== "proof" || !(await isProof(nonce, said.proof))) throw new Refused(gone());
      else isOurs = isProven = true;
    }
  } finally {
    isProven = false;
  }
}

async function* lines(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let begun = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (begun + value).split("\n");
    begun = whole.pop() ?? "";
    yield* whole;
  }
}

async function isProof(nonce: Uint8Array<ArrayBuffer>, proof: string): Promise<boolean> {
  return proofKey !== null && (await crypto.subtle.verify("HMAC", proofKey, bytesOf(proof), nonce));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

// With "no-referrer", Firefox would say `Origin: null` (Fetch, "append a request Origin header"), which is nobody.
const ALONE: RequestInit = { cache: "no-store", credentials: "omit", mode: "same-origin", redirect: "error", referrerPolicy: "same-origin" };

/** A 4-byte big-endian length, the JSON object with `sources`, then the bytes of all sources in their order. */
function framed(request: object, parts: Part[]): Uint8Array<ArrayBuffer> {
  const sources: Source[] = parts.map(({ source, bytes }) => ({ ...source, size: bytes.length }));
  const head = new TextEncoder().encode(JSON.stringify({ ...request, sources }));
  const body = new Uint8Array(4 + head.length + parts.reduce((sum, part) => sum + part.bytes.length, 0));
  new DataView(body.buffer).setUint32(0, head.length);
  body.set(head, 4);
  let at = 4 + head.length;
  for (const { bytes } of parts) {
    body.set(bytes, at);
    at += bytes.length;
  }
  return body;
}

function headers(type: string): Record<string, string> {
  return session ? { "Content-Type": type, Authorization: `Bearer ${session}` } : { "Content-Type": type };
}

async function post<T>(operation: string, request: object, body?: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<T> {
  const type = body === undefined ? "application/json" : "application/octet-stream";
  let response: Response;
  try {
    response = await fetch(`/api/${operation}`, { method: "POST", headers: headers(type), body: body ?? JSON.stringify(request), signal: signal ?? null, ...ALONE });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(gone());
  }
  if (!response.ok) throw new Refused(await failureOf(response));
  return (await response.json()) as T;
}

async function failureOf(response: Response): Promise<Failure> {
  try {
    return ((await response.json()) as { error: Failure }).error;
  } catch {
    return { ...gone(), message: `monoctl answered ${response.status} without a reason.` };
  }
}

function unproven(): Failure {
  return {
    ...gone(),
    code: "UNAVAILABLE",
    message: "The connection to monoctl console is broken. Nothing was sent.",
    fix: "Try again in a moment. If the page says then that the console has ended, run `monoctl console` again.",
  };
}

function gone(): Failure {
  return {
    code: "CONSOLE_GONE",
    exit_code: 7,
    message: "monoctl console does not answer: it has ended.",
    fix: "Run `monoctl console` again. If you were sending something, look at the secret first: it may or may not be written.",
    by_m8: false,
    reason: "",
    retry_after_s: null,
    uri: "",
  };
}
