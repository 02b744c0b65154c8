// node put.mjs https://localhost:7443 TOKEN_FILE vault://team-a/db SHA256:… password < password.txt
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { Client, FixedPins, SecretUri } from "@monoskope/client";

const [server, tokenFile, uri, identity, key] = process.argv.slice(2);
const token = (await readFile(tokenFile, "utf8")).trim();
const pins = new FixedPins({ [SecretUri.parse(uri).store]: identity });
const value = await buffer(process.stdin);

const end = await new Client({ server, token, pins }).put(uri, { [key]: value });
value.fill(0);

if (end.kind === "done") {
  console.log(end.outcome, end.fingerprint);
} else if (end.kind === "failed") {
  console.error(`Nothing was written: ${end.reason}. ${end.detail}`);
  process.exitCode = 1;
} else {
  console.error(`It may have been written, or may be until ${end.until.toISOString()}: ${end.why}.`);
  console.error(`Ask before you put again: monoctl get upload ${end.requestId}`);
  process.exitCode = 9;
}
