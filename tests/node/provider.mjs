// A certified OpenID Connect provider (npm oidc-provider) for tests of logging in, over HTTPS on a free port.
//
//     node provider.mjs CERTIFICATE KEY
//
// It prints its issuer. What a test changes, it posts to /test/ as JSON: {"down": true}, {"clock_s": 3600}, {"rotate": true},
// {"id_token_s": 60}, {"reject_device": true}. The answer has what was counted: successful grants by their type, and revocations.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [certificate, key] = process.argv.slice(2).map((name) => readFileSync(name));
const state = { down: false, clock_s: 0, id_token_s: 3600, grants: {}, revoked: 0 };
const now = Date.now.bind(Date);
Date.now = () => now() + state.clock_s * 1000;

// What the provider remembers, also after it has changed its keys.
const stored = new Map();
class Adapter {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) { stored.set(this.key(id), payload); }
  async find(id) { return stored.get(this.key(id)); }
  async findByUserCode(code) { return this.where((one) => one.userCode === code); }
  async findByUid(uid) { return this.where((one) => one.uid === uid); }
  async consume(id) { stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { stored.delete(this.key(id)); }
  async revokeByGrantId(grant) {
    for (const [key, one] of stored) if (one.grantId === grant) stored.delete(key);
  }
  where(fits) {
    for (const [key, one] of stored) if (key.startsWith(`${this.model}:`) && fits(one)) return one;
    return undefined;
  }
}

let keys = 0;
function newKey() {
  keys += 1;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${keys}`, alg: "ES256", use: "sig" };
}

function made(issuer) {
  const provider = new Provider(issuer, {
    clients: ["monoctl", "other"].map((client_id) => ({
      client_id,
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
      redirect_uris: ["http://127.0.0.1/callback"],
      id_token_signed_response_alg: "ES256",
    })),
    adapter: Adapter,
    jwks: { keys: [newKey()] },
    cookies: { keys: ["only-a-test"] },
    claims: { openid: ["sub"], groups: ["groups"] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: ["platform"] }) }),
    features: { deviceFlow: { enabled: true }, revocation: { enabled: true } },
    ttl: {
      AccessToken: 600, AuthorizationCode: 86400, DeviceCode: 600, Grant: 86400, IdToken: () => state.id_token_s,
      Interaction: 3600, RefreshToken: 86400, Session: 86400,
    },
  });
  provider.on("grant.success", (context) => {
    const type = context.oidc.params.grant_type;
    state.grants[type] = (state.grants[type] ?? 0) + 1;
  });
  provider.on("refresh_token.destroyed", () => { state.revoked += 1; });
  provider.on("server_error", (_, error) => console.error(error));
  return provider.callback();
}

let answer;
const server = createServer({ cert: certificate, key }, async (request, response) => {
  if (request.url === "/test/") {
    let body = "";
    for await (const piece of request) body += piece;
    const { rotate, ...changed } = JSON.parse(body);
    Object.assign(state, changed);
    if (rotate) answer = made(issuer);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(state));
    return;
  }
  if (state.down) {
    request.socket.destroy();
    return;
  }
  answer(request, response);
});
let issuer;
server.listen(0, "127.0.0.1", () => {
  issuer = `https://localhost:${server.address().port}`;
  answer = made(issuer);
  console.log(issuer);
});
