// How a put ends when m8, its reactor or the network do what they seldom do.
import * as assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { RequestSecretUploadKeyResponseSchema } from "../src/messages/gateway/v1/commands_pb.ts";
import { GetSecretStoreResponseSchema } from "../src/messages/gateway/v1/queries_pb.ts";
import { UploadState } from "../src/messages/gateway/v1/views_pb.ts";
import { Outcome, Reason } from "../src/messages/secrets/v1/upload_pb.ts";
import { Client, Done, type End, Failed, FixedPins, M8Error, MonoskopeError, NoKeyError, ProofError, ProvenReceipt, Unknown, UnknownStoreError, UsageError } from "../src/index.ts";
import { utf8 } from "../src/protocol/bytes.ts";
import { walk } from "../src/client/walk.ts";
import { Patience } from "../src/client/patience.ts";
import { Pin } from "../src/client/pins.ts";
import { encode } from "../src/protocol/payload.ts";
import { makeRequest } from "../src/protocol/request.ts";
import { Identity, refusal, SERVER, Stage, TOKEN } from "./stage.ts";

const URI = "vault://app/db";
const VALUE = "correct horse battery staple";

function put(stage: Stage, more = {}): Promise<End> {
  return stage.client(more).put(URI, { password: utf8(VALUE) });
}

function unknown(end: End): Unknown {
  assert.ok(end instanceof Unknown, `${end.kind} and not unknown`);
  assert.ok(!JSON.stringify(end).includes(VALUE));
  return end as Unknown;
}

async function unsent(stage: Stage, work: Promise<unknown>, kind: new (...words: never[]) => MonoskopeError, words: string): Promise<void> {
  await assert.rejects(work, (error) => error instanceof kind && error.message.includes(words) && !error.message.includes(VALUE));
  assert.equal(stage.times("RequestUploadSecret"), 0);
}

test("a put ends as done with a receipt, and the reactor opened the value", async () => {
  const stage = await Stage.set();
  const end = await put(stage);
  assert.ok(end instanceof Done && ProvenReceipt.is(end.receipt));
  assert.equal(new TextDecoder().decode(stage.opened?.["password"]), VALUE);
  assert.ok(!stage.calls.some(({ body }) => new TextDecoder("latin1").decode(body).includes(VALUE)));
  assert.ok(stage.calls.every(({ init }) => init.redirect === "error" && init.credentials === "omit"));
});

test("nobody makes a success without a proof", () => {
  const receipt = { message: { outcome: Outcome.UPLOADED } };
  assert.ok(!ProvenReceipt.is(receipt));
  // @ts-expect-error: nothing of the same shape is one, so `make check` fails if the type can be written down.
  const forged: Done = { kind: "done", outcome: "UPLOADED", fingerprint: "", receipt: null as unknown as ProvenReceipt };
  assert.ok(!(forged instanceof Done));
  assert.throws(() => new (ProvenReceipt as unknown as new (...words: unknown[]) => ProvenReceipt)(Symbol(), receipt, {}), (error) => error instanceof TypeError);
  for (const shape of [receipt, Object.create(ProvenReceipt.prototype, { message: { value: receipt.message } })]) {
    assert.throws(() => new Done(shape as ProvenReceipt), (error) => error instanceof TypeError);
  }
  const conflict = { message: { outcome: Outcome.FAILED, reason: Reason.CONFLICT } };
  assert.throws(() => new Failed(conflict as unknown as ProvenReceipt), (error) => error instanceof TypeError);
});

test("a signed FAILED is a failure, and KEY_LOST and OUTCOME_UNKNOWN leave the end open", async () => {
  const failed = await put(await Stage.set({ receipt: { outcome: Outcome.FAILED, reason: Reason.CONFLICT, upstreamVersion: "9@x" } }));
  assert.ok(failed instanceof Failed && failed.reason === "CONFLICT");
  for (const reason of [Reason.KEY_LOST, Reason.OUTCOME_UNKNOWN]) {
    const end = unknown(await put(await Stage.set({ receipt: { outcome: Outcome.FAILED, reason, upstreamVersion: "" } })));
    assert.ok(end.receipt !== null && end.why.includes(Reason[reason]));
  }
});

test("STARTED is no end", async () => {
  const started = { outcome: Outcome.STARTED, upstreamVersion: "", intent: new Uint8Array(32) };
  assert.ok(unknown(await put(await Stage.set({ receipt: started }))).why.includes("not how it ended"));
});

test("a broken connection after the secret left: the same bytes again, and then a receipt", async () => {
  const stage = await Stage.set({
    instead: (method, times) => {
      if (method === "RequestUploadSecret" && times === 1) throw new TypeError("fetch failed");
      return null;
    },
  });
  assert.ok((await put(stage)) instanceof Done);
  const [first, second] = stage.calls.filter(({ method }) => method === "RequestUploadSecret");
  assert.deepEqual(first?.body, second?.body);
});

test("no answer at all after the secret left is unknown until the key's lifetime is over", async () => {
  const begun = Date.now();
  const stage = await Stage.set({
    instead: (method) => {
      if (method === "RequestUploadSecret") throw new TypeError(`fetch failed: ${VALUE}`);
      return null;
    },
  });
  const end = unknown(await put(stage, { timeoutMs: 100 }));
  assert.ok(end.until.getTime() >= begun + 60_000 && end.requestId.length === 32);
});

test("a refusal after the secret left proves nothing", async () => {
  const answers = [refusal(409, "CONFLICT"), refusal(403, "REFUSED"), new Response("<html>", { status: 502 }), new Response("{}", { status: 200, headers: { "Content-Type": "application/json" } })];
  for (const answer of answers) {
    unknown(await put(await Stage.set({ instead: (method) => (method === "RequestUploadSecret" ? answer : null) })));
  }
});

test("a refusal before it is an error that says what to do, and control characters do not reach a terminal", async () => {
  const stage = await Stage.set({ instead: () => refusal(403, "REFUSED", "\u001b[2Jno") });
  await assert.rejects(put(stage), (error) => error instanceof M8Error && error.code === "REFUSED" && error.fix === "Do else." && !error.message.includes("\u001b"));
});

test("a secret that is too large for the grant is not sent", async () => {
  const stage = await Stage.set();
  await unsent(stage, stage.client().put(URI, { k: new Uint8Array(1_000) }), UsageError, "the store takes 1024");
});

test("a store without a pin is asked nothing", async () => {
  const stage = await Stage.set();
  await unsent(stage, stage.client({ pins: new FixedPins({}) }).put(URI, { k: utf8(VALUE) }), UnknownStoreError, "vault");
  assert.equal(stage.calls.length, 0);
});

test("a grant for another user, and one that asks for a signature which nobody can make, get nothing", async () => {
  const other = await Stage.set({ grant: { subject: "bert" } });
  await unsent(other, put(other), ProofError, "another user");
  const signed = await Stage.set({ grant: { signatureRequired: true } });
  await unsent(signed, put(signed), UsageError, "signed request alone");
});

test("a receipt that names another signer is no success", async () => {
  const receipt = { signer: "bert", signerKey: `SHA256:${"B".repeat(43)}` };
  const signer = { key: `SHA256:${"A".repeat(43)}`, sign: async () => new Uint8Array(100) };
  const end = unknown(await put(await Stage.set({ grant: { signatureRequired: true }, receipt }), { signer }));
  assert.ok(end.why.includes("and not yours"));
});

test("where a store asks for approvals nothing is sealed, nobody signs, and the way of monoctl is named", async () => {
  let signed = 0;
  const signer = { key: `SHA256:${"A".repeat(43)}`, sign: async () => ((signed += 1), new Uint8Array(100)) };
  const play = { grant: { signatureRequired: true, approvals: 2 } };
  const [putting, patching] = [await Stage.set(play), await Stage.set(play)];
  await unsent(putting, put(putting, { signer }), UsageError, "`monoctl put secret vault://app/db --propose`");
  await unsent(patching, patching.client({ signer }).patch(URI, { password: utf8(VALUE) }), UsageError, "`monoctl patch secret vault://app/db --propose`");
  assert.equal(signed, 0);
});

test("a receipt of a change, of approvers or of a broken glass is no success of a request that named none", async () => {
  const key = `SHA256:${"A".repeat(43)}`;
  const signer = { key, sign: async () => new Uint8Array(100) };
  const changeSha256 = new Uint8Array(32).fill(7);
  const approvers = [{ principal: "ben", key: `SHA256:${"B".repeat(43)}` }];
  for (const [named, why] of [[{ changeSha256 }, "another change"], [{ changeSha256, approvers }, "another change"], [{ approvers }, "malformed"], [{ breakGlass: "the site is down" }, "the glass"]] as const) {
    const receipt = { signer: "anna", signerKey: key, ...named };
    const end = unknown(await put(await Stage.set({ grant: { signatureRequired: true }, receipt }), { signer }));
    assert.ok(end.why.includes(why) && end.receipt === null, end.why);
  }
  const without = { signer: "anna", signerKey: key };
  assert.ok((await put(await Stage.set({ grant: { signatureRequired: true }, receipt: without }), { signer })) instanceof Done);
});

test("a signature that is too large, and a signer that fails, send nothing", async () => {
  const key = `SHA256:${"A".repeat(43)}`;
  const stage = await Stage.set({ grant: { signatureRequired: true } });
  await unsent(stage, put(stage, { signer: { key, sign: async () => new Uint8Array(8_193) } }), UsageError, "8192");
  const fails = { key, sign: async () => Promise.reject(new MonoskopeError("USAGE", "not touched")) };
  await unsent(stage, put(stage, { signer: fails }), MonoskopeError, "not touched");
});

test("no key: m8's reason, and when to come back", async () => {
  const key = { state: UploadState.ENDED, reason: Reason.RATE_LIMITED, retryAfterS: 7 };
  const body = new Uint8Array(toBinary(RequestSecretUploadKeyResponseSchema, create(RequestSecretUploadKeyResponseSchema, { key })));
  const stage = await Stage.set({ instead: () => new Response(body, { headers: { "Content-Type": "application/proto" } }) });
  await assert.rejects(put(stage), (error) => error instanceof NoKeyError && error.reason === "RATE_LIMITED" && error.retryAfterS === 7);
});

test("a rotation is followed and pinned, and the former identity counts no more", async () => {
  const [before, after] = [await Identity.make(), await Identity.make()];
  const pins = new FixedPins({ vault: before.shown });
  const stage = await Stage.set({ rotations: [await before.rotated(after)] }, after);
  assert.ok((await put(stage, { pins })) instanceof Done);
  assert.equal(await pins.get(SERVER, "vault"), after.shown);
  const former = await Stage.set({ rotations: [await before.rotated(after)] }, before);
  await unsent(former, put(former, { pins }), ProofError, "not by the store's identity");
});

test("two puts at once follow one rotation, and an identity that is no step of it is not replaced", async () => {
  const [before, after] = [await Identity.make(), await Identity.make()];
  const pins = new FixedPins({ vault: before.shown });
  const make = () => Stage.set({ rotations: [rotation] }, after);
  const rotation = await before.rotated(after);
  const stages = [await make(), await make()];
  const ends = await Promise.all(stages.map((stage) => put(stage, { pins })));
  assert.ok(ends.every((end) => end instanceof Done));
  const other = `SHA256:${"A".repeat(43)}`;
  await assert.rejects(pins.replace(SERVER, "vault", other, other), (error) => error instanceof ProofError);
});

test("an identity that rotated after the grant may sign the receipt, and a stranger may not", async () => {
  const [before, after] = [await Identity.make(), await Identity.make()];
  const rotated = await Stage.set({ receiptBy: after, rotationsLater: [await before.rotated(after)] }, before);
  assert.ok((await put(rotated)) instanceof Done);
  unknown(await put(await Stage.set({ receiptBy: after }, before)));
});

test("the plaintext is overwritten, whether it was sent or not", async () => {
  for (const stage of [await Stage.set(), await Stage.set({ grant: { subject: "bert" } })]) {
    const plaintext = encode({ password: utf8(VALUE) });
    const request = makeRequest({ purpose: 1, uri: URI, expect: 1 });
    const pin = new Pin(new FixedPins({}), SERVER, "vault", stage.identity.shown);
    const door = { server: SERVER, token: async () => TOKEN, fetch: stage.fetch };
    await walk({ door, pin, signer: null, patience: new Patience(1_000) }, request, plaintext).catch(() => null);
    assert.ok(plaintext.every((byte) => byte === 0));
  }
});

test("the values of the call are put, though the caller overwrites its own at once", async () => {
  const stage = await Stage.set();
  const value = utf8(VALUE);
  const ending = stage.client().put(URI, { password: value });
  value.fill(0);
  assert.ok((await ending) instanceof Done);
  assert.equal(new TextDecoder().decode(stage.opened?.["password"]), VALUE);
});

test("what plain JavaScript gives in another form is refused, and not read as nothing", async () => {
  const stage = await Stage.set();
  const client = stage.client();
  const values = { password: utf8(VALUE) };
  const given: readonly [() => Promise<End>, string][] = [
    [() => client.put(URI, values, { labels: new Map([["team", "a"]]) as never }), "labels must be a plain object"],
    [() => client.put(URI, values, { labels: { team: undefined } as never }), "the label team must be a text"],
    [() => client.put(URI, values, { expiresOn: null as never }), "expiresOn must be a text"],
    [() => client.put(URI, values, { options: { vault: { binary: 1 } } as never }), "must name a known case"],
    [() => client.put(URI, values, { expect: "1" as never }), "of another type"],
    [() => client.put(URI, values, { expect: "toString" as never }), "of another type"],
    [() => client.put(URI, values, { labels: { team: "a\ud800" } }), "half of a character"],
    [() => client.put(URI, values, { options: { case: "other", value: '{"a":"\udc00"}' } }), "half of a character"],
    [() => client.patch(URI, values, { removeKeys: "user" as never }), "removeKeys must be an array"],
    [() => client.patch(URI, new Map(Object.entries(values)) as never, { removeKeys: ["user"] }), "values must be a plain object"],
  ];
  for (const [work, words] of given) await unsent(stage, work(), MonoskopeError, words);
  for (const timeoutMs of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY]) {
    assert.throws(() => stage.client({ timeoutMs }), (error) => error instanceof UsageError);
  }
  assert.equal(stage.calls.length, 0);
});

test("a key of a secret that JavaScript has a meaning for is one like any other", async () => {
  const stage = await Stage.set();
  const values = JSON.parse('{"__proto__":0,"constructor":0,"toString":0}', (_, value) => (value === 0 ? utf8(VALUE) : value));
  assert.ok((await stage.client().put(URI, values)) instanceof Done);
  assert.deepEqual(Object.keys(stage.opened ?? {}), ["__proto__", "constructor", "toString"]);
});

test("what m8 says with nobody's signature reaches no terminal raw", async () => {
  const raw = "\u001b]0;x\u0007\u202e\u2028\u3164\u2800\ufe0f";
  const key = { state: UploadState.ENDED, reason: Reason.UNSUPPORTED, detail: raw };
  const body = new Uint8Array(toBinary(RequestSecretUploadKeyResponseSchema, create(RequestSecretUploadKeyResponseSchema, { key })));
  const shown = new Uint8Array(toBinary(GetSecretStoreResponseSchema, create(GetSecretStoreResponseSchema, { store: { identity: raw } })));
  const proto = (content: Uint8Array<ArrayBuffer>) => new Response(content, { headers: { "Content-Type": "application/proto" } });
  const said = async (answer: Response, work: (client: Client) => Promise<unknown>): Promise<MonoskopeError> => {
    const stage = await Stage.set({ instead: () => answer });
    return work(stage.client()).then(() => assert.fail("it was taken"), (error) => error);
  };
  const put1 = (client: Client) => client.put(URI, { password: utf8(VALUE) });
  const errors = [await said(proto(body), put1), await said(refusal(409, raw, raw), put1), await said(proto(shown), (client) => client.identityShown("vault"))];
  assert.deepEqual(errors.map(({ name }) => name), ["NoKeyError", "M8Error", "M8Error"]);
  for (const { message, code } of errors) assert.ok(!/[\p{C}\p{Zl}\p{Default_Ignorable_Code_Point}\u2800]/u.test(message) && /^[A-Z_]+$/.test(code));
});

test("a text is no value, and a token with a line end is none: nothing is asked", async () => {
  const stage = await Stage.set();
  await unsent(stage, stage.client().put(URI, { k: VALUE as unknown as Uint8Array }), UsageError, "not bytes");
  await unsent(stage, stage.client({ token: `${TOKEN}\n` }).put(URI, { k: utf8(VALUE) }), M8Error, "line end");
  await unsent(stage, stage.client({ token: async () => "" }).put(URI, { k: utf8(VALUE) }), M8Error, "no characters");
  assert.equal(stage.calls.length, 0);
});

test("an answer without end is not kept", async () => {
  const endless = new ReadableStream({ pull: (control) => control.enqueue(new Uint8Array(1_048_576)) });
  const stage = await Stage.set({ instead: () => new Response(endless, { headers: { "Content-Type": "application/proto" } }) });
  await unsent(stage, put(stage, { timeoutMs: 100 }), M8Error, "cannot be reached");
});

test("a certificate that Node does not take is named, with what to do", async () => {
  const refused = (code: string) => Object.assign(new TypeError("fetch failed"), { cause: { code } });
  for (const [code, said, fix] of [["DEPTH_ZERO_SELF_SIGNED_CERT", "(DEPTH_ZERO_SELF_SIGNED_CERT)", /NODE_EXTRA_CA_CERTS/], ["ECONNREFUSED", "(ECONNREFUSED)", /^$/], ["\u001b[31m", "reached.", /^$/]] as const) {
    const stage = await Stage.set({ instead: () => { throw refused(code); } });
    await assert.rejects(put(stage, { timeoutMs: 100 }), (error) => error instanceof M8Error && error.message.includes(said) && fix.test(error.fix));
  }
});

test("there is no way without TLS, and no address with a path or a login", () => {
  for (const server of ["http://m8:1", "m8", "https://m8", "m8:1/x", "https://m8:1/x", "https://a:b@m8:1", "https://m8:1?x"]) {
    assert.throws(() => new Client({ server, token: TOKEN, pins: new FixedPins({}) }), (error) => error instanceof M8Error && !error.message.includes("a:b"));
  }
});
