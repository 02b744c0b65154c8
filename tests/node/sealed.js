// The page's own sealed.ts in Node, whose WebCrypto is that of browsers: it reads what Python made and prints what it says.
// node sealed.js BUNDLE < {token, key, bodies: [{operation, body}], answers: [{operation, nonce, status, body, proof}]}
import { pathToFileURL } from "node:url";
import { text } from "node:stream/consumers";

const { beginningOf } = await import(pathToFileURL(process.argv[2]).href);
const given = JSON.parse(await text(process.stdin));
const bytes = (shown) => new Uint8Array(Buffer.from(shown, "base64url"));
const answered = (check) => Promise.all(given.answers.map((one) => check(one.operation, bytes(one.nonce), one.status, bytes(one.body), one.proof)));

const beginning = await beginningOf(given.token);
const channel = await beginning.begun(given.key);
const sealed = [];
for (const { operation, body } of given.bodies) sealed.push(Buffer.from(await channel.seal(operation, bytes(body))).toString("base64url"));
console.log(
  JSON.stringify({
    name: beginning.name,
    sealed,
    session: await answered(channel.isProven),
    begin: await answered(beginning.isProven),
    noTokens: await Promise.all(given.noTokens.map(async (one) => (await beginningOf(one)) === null)),
  }),
);
