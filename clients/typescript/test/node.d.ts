// The little of Node that the tests use, so that they need no package of types.
declare module "node:test" {
  export function test(name: string, run: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  export function fail(message: string): never;
  export function deepEqual(found: unknown, expected: unknown, message?: string): void;
  export function equal(found: unknown, expected: unknown, message?: string): void;
  export function ok(found: unknown, message?: string): void;
  export function rejects(work: Promise<unknown> | (() => Promise<unknown>), check: (error: unknown) => boolean): Promise<void>;
  export function throws(work: () => unknown, check: (error: unknown) => boolean): void;
}
declare module "node:fs" {
  export function readFileSync(path: string, encoding: "utf8"): string;
}
declare const process: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string | undefined>> };
