// Pins: which identity each store showed when its user agreed to it (docs/protocol.md, Pins).
import type { SignedRotation } from "../messages/secrets/v1/identity_pb.ts";
import { MalformedError, ProofError } from "../protocol/errors.ts";
import { checkShown } from "../protocol/identity.ts";
import { follow } from "../protocol/rotation.ts";

/** Where pins are kept. A program decides where: a file, a database, the storage of a page. */
export interface Pins {
  /** The identity that is pinned for a store of a server, null for none. */
  get(server: string, store: string): Promise<string | null>;
  /**
   * Pins the identity that followed by signed rotations. Throws if another one than `before` is pinned by now; `after`
   * is none: of two requests at the same time, both follow the same rotation.
   */
  replace(server: string, store: string, before: string, after: string): Promise<void>;
}

/** Pins in memory, for programs that get them from elsewhere at each start: `{vault: "SHA256:…"}`, one server. */
export class FixedPins implements Pins {
  readonly #pins: Map<string, string>;

  constructor(pins: Readonly<Record<string, string>>) {
    this.#pins = new Map(Object.entries(pins).map(([store, identity]) => [store, checkShown(identity)]));
  }

  async get(_server: string, store: string): Promise<string | null> {
    return this.#pins.get(store) ?? null;
  }

  async replace(_server: string, store: string, before: string, after: string): Promise<void> {
    const pinned = this.#pins.get(store);
    if (pinned === after) return;
    if (pinned !== before) throw new ProofError("IDENTITY", `another identity is pinned for ${store} by now.`);
    this.#pins.set(store, after);
  }
}

/** One store's pin, while a request walks. */
export class Pin {
  readonly #pins: Pins;
  readonly #server: string;
  readonly #store: string;
  #identity: string;

  constructor(pins: Pins, server: string, store: string, identity: string) {
    this.#pins = pins;
    this.#server = server;
    this.#store = store;
    this.#identity = checkShown(identity);
  }

  /** The identity that counts now. */
  get identity(): string {
    return this.#identity;
  }

  /** Follows signed rotations from the pin, and pins the last identity. Throws `ProofError`: nothing changed. */
  async follow(rotations: readonly SignedRotation[]): Promise<void> {
    const chain = await this.#chain(rotations);
    const last = chain.at(-1);
    if (last === undefined) return;
    await this.#pins.replace(this.#server, this.#store, this.#identity, last);
    this.#identity = last;
  }

  async #chain(rotations: readonly SignedRotation[]): Promise<string[]> {
    try {
      return await follow(this.#identity, rotations, this.#store);
    } catch (error) {
      if (error instanceof MalformedError) throw new ProofError("MALFORMED", `an identity rotation is malformed: ${error.message}`);
      throw error;
    }
  }
}
