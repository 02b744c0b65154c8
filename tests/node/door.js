// Calls m8's HTTP door with Connect's own client for browsers, and prints what it met as one JSON object.
//
//     NODE_EXTRA_CA_CERTS=ca.crt node door.js https://localhost:7443 TOKEN_FILE DESCRIPTORS IMAGE URI_PREFIX
//
// DESCRIPTORS has the messages of google.rpc, IMAGE those of m8 (proto/image.binpb), both as a FileDescriptorSet. So no
// generated code is needed.
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

const [baseUrl, tokenFile, descriptors, image, prefix] = process.argv.slice(2);
const token = readFileSync(tokenFile, "utf8").trim();

const registryOf = (file) => createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
const m8 = registryOf(image);
const errorInfo = registryOf(descriptors).getMessage("google.rpc.ErrorInfo");
const queries = m8.getService("monoskope.api.gateway.v1.SecretQueryService");

function client(useBinaryFormat, bearer) {
  const authorize = (next) => (request) => {
    request.header.set("Authorization", `Bearer ${bearer}`);
    return next(request);
  };
  return createClient(queries, createConnectTransport({ baseUrl, useBinaryFormat, interceptors: [authorize] }));
}

function told(error) {
  const met = ConnectError.from(error);
  const [info] = met.findDetails(errorInfo);
  return {
    code: Code[met.code],
    message: met.rawMessage,
    info: info && { reason: info.reason, domain: info.domain, fix: info.metadata.fix },
  };
}

async function refused(work) {
  try {
    await work();
  } catch (error) {
    return told(error);
  }
  return null;
}

// The events of the prefix up to the first that says that a secret was uploaded.
async function watched(calls) {
  const types = [];
  const watching = new AbortController();
  try {
    for await (const { event } of calls.watchEvents({ after: 0n, prefix }, { signal: watching.signal })) {
      types.push(event.type);
      if (event.type === "SecretUploaded") {
        return types;
      }
    }
  } finally {
    watching.abort();
  }
  throw new Error("the stream ended before the upload");
}

// Waits for events where there are none, until the deadline.
async function nothing(calls) {
  for await (const { event } of calls.watchEvents({ after: 0n, prefix: `${prefix}/nothing` }, { timeoutMs: 100 })) {
    throw new Error(`an event of ${event.uri}`);
  }
}

async function met(useBinaryFormat) {
  const calls = client(useBinaryFormat, token);
  const strange = client(useBinaryFormat, "not-a-token");
  const { stores } = await calls.listSecretStores({});
  return {
    stores: stores.map(({ name, createdAtMs }) => [name, typeof createdAtMs]),
    events: await watched(calls),
    noUri: await refused(() => calls.getSecret({})),
    noSuch: await refused(() => calls.getSecret({ uri: `${prefix}/nothing` })),
    noToken: await refused(() => strange.getServer({})),
    streamWithoutToken: await refused(() => watched(strange)),
    tooLate: await refused(() => nothing(calls)),
  };
}

console.log(JSON.stringify({ json: await met(false), binary: await met(true) }));
