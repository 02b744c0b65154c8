/** Calls of `monoctl console`. The session and its keys are kept in this module's memory alone: nothing is stored, nothing is logged.
 *
 * `POST /api/<operation>` with a JSON object; what an operation asks and answers stands in `documents`, with the names of `monoctl … -o json`.
 * Operations with values have a framed body: a length of 4 bytes, big-endian; a JSON object with `sources`; then the bytes of all sources.
 * Each body is sealed for this `monoctl`, and each answer is proven by it: see `sealed.ts`. What is not proven is not even read.
 */

import type { Failure, Source } from "./documents/sending";
import type { Live, Session } from "./documents/session";
import { badLink, broken, closed, gone, hasEnded, heed, isAlive, noCrypto, notProven, onEnded, opened, seen, silent, stopped, unproven } from "./failures";
import { beginningOf, type Bytes, type Channel, type Check, encoded, newNonce, textOf } from "./sealed";

let session = "";
let channel: Promise<Channel> | null = null;

onEnded(() => {
  session = "";
  channel = null;
});

/** `monoctl` refused, or could not be reached. */
export class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** The bytes of one source of a framed body. They are overwritten once they are sealed. */
export interface Part {
  source: Omit<Source, "size">;
  bytes: Uint8Array;
}

/** Take the one-time token from the fragment, remove it from the address, and begin a session with it. The token itself is sent nowhere. */
export async function begin(): Promise<Session> {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  // Browsers have it at loopback addresses, unless they are old, or somebody has switched it off.
  if (!("subtle" in crypto)) throw new Refused(noCrypto());
  const beginning = await beginningOf(token);
  if (beginning === null) throw new Refused(badLink());
  const asked = await ask("begin", "application/json", encoded(JSON.stringify({ token: beginning.name })));
  const body = await bodyOf(asked.response);
  if (!(await isProven(asked, body, beginning.isProven))) throw new Refused(badLink());
  const { key, ...begun } = answered<Session & { key: string }>(asked.response, body);
  // The first view need not wait for its keys: the first call does.
  channel = beginning.begun(key);
  session = begun.session;
  return begun;
}

/** Call an operation that takes no value. */
export function call<T>(operation: string, request: object = {}, signal?: AbortSignal): Promise<T> {
  return post<T>(operation, encoded(JSON.stringify(request)), signal);
}

/** Call an operation with values. Each part's bytes are overwritten with zeros, whatever comes of the call.
 *
 * While the live stream is broken nothing is sent: nobody could say what became of it.
 */
export async function callWithValues<T>(operation: string, request: object, parts: Part[]): Promise<T> {
  const body = framed(request, parts);
  for (const part of parts) part.bytes.fill(0);
  if (isAlive()) return post<T>(operation, body);
  body.fill(0);
  throw new Refused(hasEnded() ? gone() : broken());
}

/** Yield what the live stream says, until it ends. */
export async function* live(signal: AbortSignal): AsyncGenerator<Live> {
  try {
    const { asked, check } = await send("live", encoded("{}"), signal);
    // The stream is proven by its head: nobody else can go on with this connection.
    const body = asked.response.ok ? NOTHING : await bodyOf(asked.response);
    if (!(await isProven(asked, body, check))) throw new Refused(unknown(asked.response));
    if (!asked.response.ok || asked.response.body === null) return answered(asked.response, body);
    opened();
    yield* linesOf(asked.response.body);
  } finally {
    closed();
  }
}

// With "no-referrer", Firefox would say `Origin: null` (Fetch, "append a request Origin header"), which is nobody.
const ALONE: RequestInit = { cache: "no-store", credentials: "omit", mode: "same-origin", redirect: "error", referrerPolicy: "same-origin" };
const NOTHING: Bytes = new Uint8Array();

interface Asked {
  operation: string;
  nonce: Bytes;
  response: Response;
}

async function post<T>(operation: string, request: Bytes, signal?: AbortSignal): Promise<T> {
  const { asked, check } = await send(operation, request, signal);
  const body = await bodyOf(asked.response);
  if (!(await isProven(asked, body, check))) throw new Refused(unknown(asked.response));
  return answered<T>(asked.response, body);
}

/** Seal a request, overwrite it, and send it. */
async function send(operation: string, request: Bytes, signal?: AbortSignal): Promise<{ asked: Asked; check: Check }> {
  let now: Channel | null = null;
  let sealed: Bytes | undefined;
  try {
    // The live stream goes on: it says whether monoctl is there.
    const why = operation === "live" ? null : stopped();
    if (why !== null) throw new Refused(why);
    now = await channel;
    sealed = await now?.seal(operation, request);
  } finally {
    request.fill(0);
  }
  if (now === null || sealed === undefined || hasEnded()) throw new Refused(gone());
  return { asked: await ask(operation, "application/octet-stream", sealed, signal), check: now.isProven };
}

async function ask(operation: string, type: string, body: Bytes, signal?: AbortSignal): Promise<Asked> {
  const nonce = newNonce();
  const headers: Record<string, string> = { "Content-Type": type, "Console-Nonce": textOf(nonce) };
  if (session) headers.Authorization = `Bearer ${session}`;
  const response = await orGone(fetch(`/api/${operation}`, { method: "POST", headers, body, signal: signal ?? null, ...ALONE }));
  return { operation, nonce, response };
}

async function bodyOf(response: Response): Promise<Bytes> {
  return new Uint8Array(await orGone(response.arrayBuffer()));
}

async function orGone<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    silent();
    throw new Refused(gone());
  }
}

async function isProven({ operation, nonce, response }: Asked, body: Bytes, check: Check): Promise<boolean> {
  const proof = response.headers.get("Console-Proof") ?? "";
  if (!(await check(operation, nonce, response.status, body, proof))) return false;
  seen();
  return true;
}

/** What an answer without proof means. Nothing of it is shown. */
function unknown(response: Response): Failure {
  unproven();
  return hasEnded() ? gone() : notProven(response.status);
}

/** Read a proven answer; throws the refusal that it is. */
function answered<T>(response: Response, body: Bytes): T {
  const document = parsed<T & { error: Failure }>(new TextDecoder().decode(body));
  if (!response.ok) {
    heed(document.error);
    throw new Refused(document.error);
  }
  return document;
}

/** Read JSON, and leave `\\u202e` and its like as they are written there: monoctl writes whatever is not printable so, and shows it so in a
 * terminal. As characters they could hide, reorder or imitate what stands beside them.
 */
function parsed<T>(text: string): T {
  return JSON.parse(text.replace(/\\(u[0-9a-f]{4}|.)/g, (whole, escape: string) => (escape.startsWith("u") ? `\\\\${escape}` : whole))) as T;
}

async function* linesOf(stream: ReadableStream<Bytes>): AsyncGenerator<Live> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let begun = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (begun + value).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) yield parsed<Live>(line);
  }
}

/** A 4-byte big-endian length, the JSON object with `sources`, then the bytes of all sources in their order. */
function framed(request: object, parts: Part[]): Bytes {
  const sources: Source[] = parts.map(({ source, bytes }) => ({ ...source, size: bytes.length }));
  const head = encoded(JSON.stringify({ ...request, sources }));
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
