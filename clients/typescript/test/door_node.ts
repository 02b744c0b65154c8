// Runs door.ts in Node: `node door_node.mjs FUNCTION < given.json` prints what the function returns as JSON.
import { readFileSync } from "node:fs";
import * as door from "./door.ts";

const ways: Readonly<Record<string, ((given: door.Given) => Promise<unknown>) | undefined>> = door;
const given: door.Given = JSON.parse(readFileSync("/dev/stdin", "utf8"));
const found: Record<string, unknown> = {};
for (const name of process.argv.slice(2)) found[name] = await ways[name]?.(given);
console.log(JSON.stringify(found));
