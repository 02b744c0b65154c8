// The forms of small texts in messages: versions, days, labels, names of listings (docs/protocol.md, Messages).
import type { Label } from "../messages/secrets/v1/options_pb.ts";
import { characters, sortedOnce } from "./bytes.ts";
import type { MalformedError } from "./errors.ts";
import { isSegment } from "./uri.ts";

const VERSION = /^[!-~]{1,256}$/;
const DETAIL = /^[ -~]{0,200}$/;
const LABEL_NAME = /^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/;
/** Neither controls, formats, surrogates, private nor unassigned characters, nor spaces other than U+0020. */
const PRINTABLE = /^(?:[^\p{C}\p{Z}]| )*$/u;
const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const MAX_LABELS = 16;
const MAX_REASON = 500;
const MAX_LABEL_VALUE = 128;

/** Whether every character of a text is printable; "" is. */
export function isPrintable(text: string): boolean {
  return PRINTABLE.test(text);
}

/** Whether a text can be an upstream version: 1 to 256 printable ASCII characters without spaces. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Whether a text can say why something is done: 1 to 500 printable characters. */
export function isReason(text: string): boolean {
  return text !== "" && characters(text) <= MAX_REASON && PRINTABLE.test(text);
}

/** Whether a text can be the detail of a failure. */
export function isDetail(text: string): boolean {
  return DETAIL.test(text);
}

/** Whether a text is a day of the calendar, YYYY-MM-DD, from 0001-01-01 on. */
export function isDay(text: string): boolean {
  const [year, month, day] = (DAY.exec(text) ?? []).slice(1).map(Number);
  if (year === undefined || month === undefined || day === undefined || year < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return days !== undefined && day >= 1 && day <= days;
}

/** Whether a page of a listing can hold a name: a segment, and "/" behind it for a folder. */
export function isListName(text: string): boolean {
  return isSegment(text.endsWith("/") ? text.slice(0, -1) : text);
}

/** Checks labels; what breaks a rule is thrown as `malformed` makes it. */
export function checkLabels(labels: readonly Label[], malformed: (rule: string) => MalformedError): void {
  if (labels.length > MAX_LABELS) throw malformed(`must be at most ${MAX_LABELS}`);
  if (!labels.every(({ name }) => LABEL_NAME.test(name))) throw malformed("have a name outside the rule");
  if (!labels.every(({ value }) => characters(value) <= MAX_LABEL_VALUE && PRINTABLE.test(value))) {
    throw malformed(`have a value that is not at most ${MAX_LABEL_VALUE} printable characters`);
  }
  if (!sortedOnce(labels.map(({ name }) => name))) throw malformed("must be sorted by name, each name once");
}
