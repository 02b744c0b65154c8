// The client: puts, patches and compares secrets at m8's HTTP door, and believes nothing unproven.
import type { Label } from "../messages/secrets/v1/options_pb.ts";
import { Expect, Purpose } from "../messages/secrets/v1/upload_pb.ts";
import { byteOrder } from "../protocol/bytes.ts";
import { UsageError } from "../protocol/errors.ts";
import { isShown } from "../protocol/identity.ts";
import { encode } from "../protocol/payload.ts";
import { type Asked, makeRequest } from "../protocol/request.ts";
import type { Signer } from "../protocol/signing.ts";
import { SecretUri } from "../protocol/uri.ts";
import { call, checkServer, type Door } from "./connect.ts";
import type { End } from "./ends.ts";
import { M8Error, UnknownStoreError } from "./errors.ts";
import { checkPatience, list, namesOf, text } from "./given.ts";
import { GET_STORE } from "./methods.ts";
import { Patience } from "./patience.ts";
import { Pin, type Pins } from "./pins.ts";
import { walk } from "./walk.ts";

/** How a client reaches m8. */
export interface Settings {
  /** m8, as `host:port` or `https://host:port`. */
  readonly server: string;
  /** The bearer token, or where the one of the next call comes from. */
  readonly token: string | (() => Promise<string>);
  /** Which identity each store has, as its operator told: never as m8 shows it. */
  readonly pins: Pins;
  /** Signs requests for stores that ask for it. */
  readonly signer?: Signer;
  /** Milliseconds for one request, 1 to a day; 60,000 if it is left out. */
  readonly timeoutMs?: number;
  /** For tests, and for runtimes with a fetch of their own. */
  readonly fetch?: typeof fetch;
}

/** The values of a secret by their keys. Each must be bytes: a text in JavaScript cannot be overwritten. */
export type Values = Readonly<Record<string, Uint8Array>>;

/** What must be upstream for the write to happen. */
export type Expectation = "ANY" | "ABSENT" | "OVERWRITE" | { readonly version: string };

/** What goes with a put. Notes that are left out are kept as they are; an empty one erases them. */
export interface PutOptions {
  /** `ANY` if it is left out: nothing, or what a receipt of the store names. */
  readonly expect?: Expectation;
  /** Labels by their names. Not secret. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The day of expiry, YYYY-MM-DD; "" for none. Not secret. */
  readonly expiresOn?: string;
  /** How the secret is laid out in its engine. */
  readonly options?: NonNullable<Asked["options"]>;
}

/** What goes with a patch. */
export interface PatchOptions {
  readonly expect?: Exclude<Expectation, "ABSENT">;
  /** Keys to remove. */
  readonly removeKeys?: readonly string[];
  readonly options?: NonNullable<Asked["options"]>;
}

/** Puts, patches and compares secrets. What a method throws, it throws before anything was sent. */
export class Client {
  readonly #door: Door;
  readonly #settings: Settings;
  readonly #timeoutMs: number;

  constructor(settings: Settings) {
    const { token, timeoutMs = 60_000 } = settings;
    this.#settings = settings;
    this.#timeoutMs = checkPatience(timeoutMs);
    this.#door = {
      server: checkServer(settings.server),
      token: typeof token === "string" ? async () => token : token,
      fetch: settings.fetch ?? ((...words) => fetch(...words)),
    };
  }

  /**
   * Puts a secret as a whole. The given values are copied before this returns its promise, and the copies are
   * overwritten: the caller may overwrite its own at once.
   */
  async put(uri: string, values: Values, { expect = "ANY", labels, expiresOn, options }: PutOptions = {}): Promise<End> {
    const keepLabels = labels === undefined;
    const keepExpiresOn = expiresOn === undefined;
    return this.#walk(uri, values, {
      purpose: Purpose.UPLOAD,
      ...expected(expect),
      ...(keepLabels ? { keepLabels } : { labels: sortedLabels(labels) }),
      ...(keepExpiresOn ? { keepExpiresOn } : { expiresOn: text("expiresOn", expiresOn) }),
      ...(options === undefined ? {} : { options }),
    });
  }

  /** Sets some values of a secret, removes others, and leaves the rest as it is upstream. */
  async patch(uri: string, values: Values, { expect = "ANY", removeKeys = [], options }: PatchOptions = {}): Promise<End> {
    if (list("removeKeys", removeKeys).some((key) => Object.hasOwn(values, key))) throw new UsageError("a key is set and removed.");
    return this.#walk(uri, values, {
      purpose: Purpose.PATCH,
      ...expected(expect),
      removeKeys: [...removeKeys].sort(byteOrder),
      ...(options === undefined ? {} : { options }),
    });
  }

  /** Compares values with what is upstream; `outcome` is `EQUAL` or `DIFFERENT`. Writes nothing. */
  async compare(uri: string, values: Values): Promise<End> {
    return this.#walk(uri, values, { purpose: Purpose.COMPARE });
  }

  /** The identity that m8 shows for a store, "" for none. It is m8's word: compare it with what the store's operator says. */
  async identityShown(store: string): Promise<string> {
    const patience = new Patience(this.#timeoutMs);
    const { store: found } = await patience.resend((ms) => call(this.#door, GET_STORE, { name: store }, ms));
    const identity = found?.identity ?? "";
    if (identity !== "" && !isShown(identity)) throw new M8Error("PROTOCOL", "m8 shows an identity that is none.");
    return identity;
  }

  /** What the caller gave is read before anything is awaited: it may be changed or overwritten meanwhile. */
  async #walk(uri: string, values: Values, asked: Asked): Promise<End> {
    const { pins, signer = null } = this.#settings;
    const { server } = this.#door;
    const { store } = SecretUri.parse(uri);
    const request = makeRequest({ ...asked, uri });
    const removesOnly = (asked.removeKeys?.length ?? 0) > 0 && namesOf("values", values).length === 0;
    const plaintext = removesOnly ? null : encode(values);
    try {
      const identity = await pins.get(server, store);
      if (identity === null) throw new UnknownStoreError(server, store);
      const pin = new Pin(pins, server, store, identity);
      return await walk({ door: this.#door, pin, signer, patience: new Patience(this.#timeoutMs) }, request, plaintext);
    } finally {
      plaintext?.fill(0);
    }
  }
}

function expected(expect: Expectation): Pick<Asked, "expect" | "expectVersion"> {
  return typeof expect === "string" ? { expect: Expect[expect] } : { expect: Expect.VERSION, expectVersion: expect.version };
}

function sortedLabels(labels: Readonly<Record<string, string>>): Omit<Label, "$typeName">[] {
  const named = namesOf("labels", labels).map((name) => ({ name, value: text(`the label ${name}`, labels[name]) }));
  return named.sort((one, other) => byteOrder(one.name, other.name));
}
