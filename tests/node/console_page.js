// A page of the console without a browser: it runs the page's own call.ts, and does what it is told, a JSON object a line.
// node console_page.js BUNDLE http://HOST:PORT/#TOKEN
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const address = new URL(process.argv[3]);
const fetched = globalThis.fetch;
let patience = () => {};
globalThis.location = { hash: address.hash, pathname: "/" };
globalThis.history = { replaceState: (_state, _title, path) => Object.assign(globalThis.location, { hash: "", pathname: path }) };
// What a browser adds by itself, and what no page can set.
globalThis.fetch = (path, { mode: _mode, credentials: _credentials, referrerPolicy: _policy, ...request }) =>
  fetched(new URL(path, address.origin), { ...request, headers: { ...request.headers, Origin: address.origin, "Sec-Fetch-Site": "same-origin" } });
const setTimeout_ = globalThis.setTimeout;
globalThis.setTimeout = (handler, delay, ...rest) => {
  if (delay !== PATIENCE_MS) return setTimeout_(handler, delay, ...rest);
  patience = handler;
  return undefined;
};

const { PATIENCE_MS, Refused, begin, call, callWithValues, hasEnded, live, onEnded } = await import(pathToFileURL(process.argv[2]).href);
const say = (document) => console.log(JSON.stringify(document));
onEnded(() => say({ ended: true }));

const values = (parts) => parts.map(({ source, value }) => ({ source, bytes: new TextEncoder().encode(value) }));
async function watch() {
  for await (const message of live(new AbortController().signal)) say({ live: message });
}
const does = {
  begin,
  call: ({ operation, request }) => call(operation, request),
  send: async ({ operation, request, parts }) => {
    const given = values(parts);
    try {
      return await callWithValues(operation, request, given);
    } finally {
      say({ erased: given.every(({ bytes }) => bytes.every((byte) => byte === 0)) });
    }
  },
  live: () => void watch().then(() => say({ liveEnded: true }), (error) => say({ liveEnded: true, failure: error.failure ?? String(error) })),
  wait: () => patience(),
  here: () => ({ hash: location.hash, hasEnded: hasEnded() }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  try {
    say({ answer: (await does[asked.do](asked)) ?? null });
  } catch (error) {
    say(error instanceof Refused ? { failure: error.failure } : { defect: String(error) });
  }
}
process.exit();
