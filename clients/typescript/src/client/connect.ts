// Calls of m8's HTTP door: the Connect protocol with binary messages, over fetch (docs/reference/http.md).
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { concat } from "../protocol/bytes.ts";
import { M8Error } from "./errors.ts";

/** One method of the API. */
export interface Method<I extends DescMessage, O extends DescMessage> {
  readonly path: string;
  readonly input: I;
  readonly output: O;
}

/** Where calls go, and as whom. */
export interface Door {
  /** `https://host:port`, without a path. */
  readonly server: string;
  /** The token of the next call. */
  readonly token: () => Promise<string>;
  readonly fetch: typeof fetch;
}

/** How much longer than m8 the caller waits, so that m8's own answer comes first, in milliseconds. */
const LONGER_MS = 1_000;
/** The most bytes of an answer: grants, receipts and 64 rotations are far below. */
const MOST_BYTES = 4_194_304;
const TOKEN = /^[!-~]+$/;
const SERVER = /^(?:https:\/\/)?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$/;

/** The `https://host:port` of a server named so, or as `host:port`. There is no way without TLS. Throws `M8Error`. */
export function checkServer(server: string): string {
  if (!SERVER.test(server)) throw new M8Error("USAGE", "a server is named as host:port or https://host:port, without a path.");
  return server.startsWith("https://") ? server : `https://${server}`;
}

/** Makes one call, which m8 ends within `timeoutMs`. Throws `M8Error`. */
export async function call<I extends DescMessage, O extends DescMessage>(
  door: Door,
  method: Method<I, O>,
  message: MessageInitShape<I>,
  timeoutMs: number,
): Promise<MessageShape<O>> {
  const token = await door.token();
  if (!TOKEN.test(token)) throw new M8Error("UNAUTHENTICATED", "the token is none: it has no characters, or a space or a line end in it.");
  const answer = await asked(door, method, new Uint8Array(toBinary(method.input, create(method.input, message))), token, timeoutMs);
  if (answer.status !== 200) throw refusal(answer.status, answer.body);
  if (answer.type !== "application/proto") throw new M8Error("PROTOCOL", "m8 answers with another content type than it was asked for.");
  try {
    return fromBinary(method.output, answer.body);
  } catch {
    throw new M8Error("PROTOCOL", "m8's answer is not a message of this protocol.");
  }
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

async function asked(door: Door, method: Method<DescMessage, DescMessage>, body: Uint8Array<ArrayBuffer>, token: string, timeoutMs: number): Promise<Answer> {
  const waitsMs = Math.max(1, Math.floor(timeoutMs));
  const signal = AbortSignal.timeout(waitsMs + LONGER_MS);
  const headers = {
    Authorization: `Bearer ${token}`,
    "Content-Type": "application/proto",
    "Connect-Protocol-Version": "1",
    "Connect-Timeout-Ms": String(waitsMs),
  };
  try {
    const response = await door.fetch(`${door.server}/${method.path}`, {
      method: "POST",
      headers,
      body,
      redirect: "error",
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal,
    });
    const type = (response.headers.get("Content-Type") ?? "").split(";")[0] ?? "";
    return { status: response.status, type, body: await bodyOf(response) };
  } catch (error) {
    // The error's own text can hold an address, and no header.
    if (error instanceof DOMException && error.name === "TimeoutError") throw new M8Error("TIMED_OUT", "m8 does not answer in time.", { temporary: true });
    const why = codeOf(error);
    const fix = CERTIFICATE.test(why) ? "Name the authority that signed m8's certificate in NODE_EXTRA_CA_CERTS, and dial m8 by a name in that certificate." : "";
    throw new M8Error("UNAVAILABLE", `m8 cannot be reached${why && ` (${why})`}.`, { temporary: true, fix });
  }
}

/** Codes of Node for a certificate that it does not take. */
const CERTIFICATE = /CERT|SELF_SIGNED|LEAF_SIGNATURE/;

/** Node's own word for why a connection failed, such as ECONNREFUSED; "" in a browser, which does not say. */
function codeOf(error: unknown): string {
  const code = textOf(member(error, "cause"), "code");
  return CODE.test(code) ? code : "";
}

/** The body, of which no more is kept than an answer can have. Throws for more. */
async function bodyOf(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > MOST_BYTES) {
      await reader?.cancel();
      throw new RangeError("the answer is too large");
    }
  }
  return concat(...parts);
}

/** A code is a word: programs print it, and no text of m8's choosing. */
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
/** The statuses of Connect after which the same call may succeed. */
const TEMPORARY = new Set([408, 429, 503, 504]);

function refusal(status: number, body: Uint8Array): M8Error {
  const temporary = TEMPORARY.has(status);
  let said: unknown = null;
  try {
    said = JSON.parse(new TextDecoder().decode(body));
  } catch {
    // Answers that are none of a call are plain text.
  }
  const message = textOf(said, "message") || `HTTP status ${status}`;
  const info = detailOf(said, "google.rpc.ErrorInfo");
  const code = [textOf(info, "reason"), textOf(said, "code").toUpperCase()].find((one) => CODE.test(one)) ?? "PROTOCOL";
  return new M8Error(code, `m8 says: ${printable(message)}`, { temporary, fix: printable(textOf(member(info, "metadata"), "fix")) });
}

function detailOf(said: unknown, type: string): unknown {
  const details = member(said, "details");
  if (!Array.isArray(details)) return null;
  return member(details.find((one) => member(one, "type") === type), "debug");
}

function member(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null && name in of ? (of as Record<string, unknown>)[name] : null;
}

function textOf(of: unknown, name: string): string {
  const found = member(of, name);
  return typeof found === "string" ? found : "";
}

/** Foreign text for people: its start, without characters that control a terminal or hide other text. */
export function printable(text: string): string {
  return text.slice(0, 1_000).replaceAll(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{13441}\u{13442}\u{16fe4}\u{1d159}]/gu, "\u{FFFD}");
}
