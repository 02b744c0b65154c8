// Logs in at m8's HTTP door and has a secret generated in a store that takes signed requests alone, with Connect's own
// client for browsers, Node's WebCrypto and OpenSSH. It prints what the receipt says as one JSON object.
//
//     NODE_EXTRA_CA_CERTS=ca.crt node signed.js https://localhost:7443 IMAGE ID_TOKEN_FILE SIGNING_KEY URI IDENTITY
//
// A GENERATE seals nothing: Node 20 has no ML-KEM. All else is as for a put.
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

const [baseUrl, image, idTokenFile, signingKey, uri, identity] = process.argv.slice(2);
const m8 = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(image)));
const message = (name) => m8.getMessage(`monoskope.api.secrets.v1.${name}`);
const sha256 = (content) => createHash("sha256").update(content).digest();

async function exchanged(idToken) {
  const form = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    subject_token: idToken,
  });
  const answer = await fetch(`${baseUrl}/oauth2/token`, { method: "POST", body: form });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${said.error}: ${said.error_description}`);
  return said.access_token;
}

// The content that the store's pinned identity has signed.
function verified({ content, signature, identityKey }, label, kind) {
  const shown = `SHA256:${sha256(identityKey).toString("base64").replace(/=+$/, "")}`;
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), identityKey]);
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  if (shown !== identity || !verify(null, Buffer.concat([Buffer.from(`${label}\0`), content]), key, signature)) {
    throw new Error(`the store's identity did not sign this ${kind}`);
  }
  return fromBinary(message(kind), content);
}

function signed(grant) {
  const statement = Buffer.concat([Buffer.from("m8/signed-request/v1\0"), sha256(grant), sha256("")]);
  const words = ["-Y", "sign", "-q", "-f", signingKey, "-n", "request@monoskope"];
  const armoured = execFileSync("ssh-keygen", words, { input: statement, encoding: "utf8" });
  return Buffer.from(armoured.trim().split("\n").slice(1, -1).join(""), "base64");
}

const token = await exchanged(readFileSync(idTokenFile, "utf8").trim());
const authorize = (next) => (request) => {
  request.header.set("Authorization", `Bearer ${token}`);
  return next(request);
};
const transport = createConnectTransport({ baseUrl, interceptors: [authorize] });
const commands = createClient(m8.getService("monoskope.api.gateway.v1.SecretCommandService"), transport);

const UploadRequest = message("UploadRequest");
const purposes = m8.getEnum("monoskope.api.secrets.v1.Purpose").value;
const purpose = Object.values(purposes).find((one) => one.name === "PURPOSE_GENERATE").number;
const requestId = randomBytes(16);
const recipes = [{ key: "password", kind: "password" }];
const request = toBinary(UploadRequest, create(UploadRequest, { requestId, purpose, uri, expect: 1, suites: [1], recipes }));

const { key } = await commands.requestSecretUploadKey({ request, wait: true });
const grant = verified(key.grant, "m8/upload-grant/v1", "UploadGrant");
if (!Buffer.from(grant.request).equals(request) || !grant.signatureRequired) throw new Error("the grant is for another request");

const { upload } = await commands.requestUploadSecret({ requestId, requestSignature: signed(key.grant.content) });
const receipt = verified(upload.receipt, "m8/receipt/v1", "Receipt");
if (!Buffer.from(receipt.grantSha256).equals(sha256(key.grant.content)) || receipt.uri !== uri) throw new Error("the receipt is for another request");
const { outcome, reason, signer, signerKey } = receipt;
console.log(JSON.stringify({ outcome, reason, signer, signerKey, subject: grant.subject }));
