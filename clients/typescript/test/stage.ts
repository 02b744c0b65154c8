// An m8 and a reactor in memory, for what a real one does too seldom. It holds a store's identity, and so may sign anything.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as commands from "../src/messages/gateway/v1/commands_pb.ts";
import * as queries from "../src/messages/gateway/v1/queries_pb.ts";
import { UploadState } from "../src/messages/gateway/v1/views_pb.ts";
import { IdentityRotationSchema, type SignedRotation, SignedRotationSchema } from "../src/messages/secrets/v1/identity_pb.ts";
import { Outcome, ReceiptSchema, type Signed, SignedSchema, type UploadGrant, UploadGrantSchema } from "../src/messages/secrets/v1/upload_pb.ts";
import { Client, FixedPins, type Settings } from "../src/index.ts";
import { type Bytes, sha256 } from "../src/protocol/bytes.ts";
import { shown } from "../src/protocol/identity.ts";
import { IDENTITY_ROTATION, labelled, RECEIPT, UPLOAD_GRANT } from "../src/protocol/labels.ts";
import { suiteOf } from "../src/protocol/seal.ts";
import { serialise } from "../src/protocol/wire.ts";
import { decode, open } from "./other_half.ts";

export const SERVER = "https://m8.example.org:7443";
/** A token of the subject anna, as far as a client reads it. */
export const TOKEN = `e30.${btoa('{"sub":"anna"}')}.x`;

/** An identity. */
export class Identity {
  readonly #keys: CryptoKeyPair;
  readonly raw: Bytes;
  readonly shown: string;

  private constructor(keys: CryptoKeyPair, raw: Bytes, text: string) {
    this.#keys = keys;
    this.raw = raw;
    this.shown = text;
  }

  static async make(): Promise<Identity> {
    const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
    return new Identity(keys, raw, await shown(raw));
  }

  async sign(label: string, content: Uint8Array): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign("Ed25519", this.#keys.privateKey, labelled(label, content)));
  }

  async signed(label: string, content: Bytes): Promise<Signed> {
    return create(SignedSchema, { content, signature: await this.sign(label, content), identityKey: this.raw });
  }

  async rotated(next: Identity): Promise<SignedRotation> {
    const content = serialise(IdentityRotationSchema, { store: "vault", oldKey: this.raw, newKey: next.raw });
    const [oldSignature, newSignature] = [await this.sign(IDENTITY_ROTATION, content), await next.sign(IDENTITY_ROTATION, content)];
    return create(SignedRotationSchema, { content, oldSignature, newSignature });
  }
}

/** How this m8 and this reactor behave; what is left out is as it should be. */
export interface Play {
  readonly grant?: Partial<UploadGrant>;
  readonly receipt?: Omit<MessageInitShape<typeof ReceiptSchema>, "$typeName">;
  /** Who signs receipts. */
  readonly receiptBy?: Identity;
  readonly rotations?: readonly SignedRotation[];
  readonly rotationsLater?: readonly SignedRotation[];
  /** What answers in the place of m8, null for m8 itself. Throw for a broken connection. */
  readonly instead?: (method: string, times: number) => Response | null;
}

/** One m8 with one reactor. */
export class Stage {
  readonly identity: Identity;
  readonly calls: { readonly method: string; readonly body: Bytes; readonly init: RequestInit }[] = [];
  opened: Record<string, Uint8Array> | null = null;
  readonly #play: Play;
  readonly #suite = suiteOf("noble");
  #privateKey: Bytes = new Uint8Array();
  #grant: Bytes = new Uint8Array();

  private constructor(identity: Identity, play: Play) {
    this.identity = identity;
    this.#play = play;
  }

  static async set(play: Play = {}, identity?: Identity): Promise<Stage> {
    return new Stage(identity ?? (await Identity.make()), play);
  }

  client(more: Partial<Settings> = {}): Client {
    const pins = new FixedPins({ vault: this.identity.shown });
    return new Client({ server: SERVER, token: TOKEN, pins, fetch: this.fetch, timeoutMs: 5_000, ...more });
  }

  readonly fetch: typeof fetch = (url, init) => this.#answer(String(url), init ?? {});

  times(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async #answer(url: string, init: RequestInit): Promise<Response> {
    const method = url.slice(url.lastIndexOf("/") + 1);
    const body = new Uint8Array(init.body as Bytes);
    this.calls.push({ method, body, init });
    const instead = this.#play.instead?.(method, this.times(method)) ?? null;
    return instead ?? new Response(await this.#said(method, body), { headers: { "Content-Type": "application/proto" } });
  }

  async #said(method: string, body: Bytes): Promise<Bytes> {
    const rotations = [...(this.#play.rotations ?? [])];
    switch (method) {
      case "RequestSecretUploadKey": {
        const { request } = fromBinary(commands.RequestSecretUploadKeyRequestSchema, body);
        const key = { state: UploadState.GRANTED, grant: await this.#granted(request), rotations };
        return new Uint8Array(toBinary(commands.RequestSecretUploadKeyResponseSchema, create(commands.RequestSecretUploadKeyResponseSchema, { key })));
      }
      case "RequestUploadSecret": {
        const upload = { state: UploadState.ENDED, receipt: await this.#received(fromBinary(commands.RequestUploadSecretRequestSchema, body)) };
        return new Uint8Array(toBinary(commands.RequestUploadSecretResponseSchema, create(commands.RequestUploadSecretResponseSchema, { upload })));
      }
      default: {
        const answer = { rotations: [...(this.#play.rotationsLater ?? rotations)] };
        return new Uint8Array(toBinary(queries.GetSecretUploadResponseSchema, create(queries.GetSecretUploadResponseSchema, answer)));
      }
    }
  }

  async #granted(request: Uint8Array): Promise<Signed> {
    const pair = await this.#suite.GenerateKeyPair(true);
    this.#privateKey = new Uint8Array(await this.#suite.SerializePrivateKey(pair.privateKey));
    const publicKey = new Uint8Array(await this.#suite.SerializePublicKey(pair.publicKey));
    const fields = { subject: "anna", suite: 1, publicKey, replica: new Uint8Array(16), lifetimeS: 60, maxPlaintext: 1_024, fingerprintKeyId: "0".repeat(16), approvals: 0 };
    this.#grant = serialise(UploadGrantSchema, { ...fields, request: new Uint8Array(request), ...this.#play.grant });
    return this.identity.signed(UPLOAD_GRANT, this.#grant);
  }

  async #received(sent: commands.RequestUploadSecretRequest): Promise<Signed> {
    const plaintext = await open(this.#suite, this.#privateKey, this.#grant, sent.encapsulatedKey, sent.ciphertext);
    this.opened = decode(plaintext);
    const content = serialise(ReceiptSchema, {
      grantSha256: await sha256(this.#grant),
      sealedSha256: await sha256(sent.encapsulatedKey, sent.ciphertext),
      uri: "vault://app/db",
      outcome: Outcome.UPLOADED,
      upstreamVersion: "1@x",
      ...this.#play.receipt,
    });
    return (this.#play.receiptBy ?? this.identity).signed(RECEIPT, content);
  }
}

/** A refusal as m8 writes it. */
export function refusal(status: number, reason: string, message = "no"): Response {
  const details = [{ type: "google.rpc.ErrorInfo", value: "", debug: { reason, domain: "monoskope", metadata: { fix: "Do else." } } }];
  return new Response(JSON.stringify({ code: "aborted", message, details }), { status, headers: { "Content-Type": "application/json" } });
}
