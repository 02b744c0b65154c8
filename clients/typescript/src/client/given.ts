// What programs in plain JavaScript give, whose types nobody checked: what would be read as less than it says is refused.
import { UsageError } from "../protocol/errors.ts";

const DAY_MS = 86_400_000;

/** The names in an object that has all of them itself. A Map or an object of a class would seem to have none. */
export function namesOf(what: string, given: object): string[] {
  const above: unknown = typeof given === "object" && given !== null ? Object.getPrototypeOf(given) : undefined;
  const isPlain = above === null || (typeof above === "object" && Object.getPrototypeOf(above) === null);
  if (!isPlain) throw new UsageError(`${what} must be a plain object.`);
  return Object.keys(given);
}

/** The list itself: a text would be taken apart into its characters. */
export function list<T>(what: string, given: readonly T[]): readonly T[] {
  if (!Array.isArray(given)) throw new UsageError(`${what} must be an array.`);
  return given;
}

/** The text itself: null and undefined would be read as an empty one, which erases. */
export function text(what: string, given: string | undefined): string {
  if (typeof given !== "string") throw new UsageError(`${what} must be a text.`);
  return given;
}

/** The milliseconds, if they are some. */
export function checkPatience(timeoutMs: number): number {
  if (!(timeoutMs >= 1 && timeoutMs <= DAY_MS)) throw new UsageError("timeoutMs must be 1 to a day.");
  return timeoutMs;
}
