/** Days and moments as the pictures need them. A day of expiry is "YYYY-MM-DD" and one of UTC, as monoctl has it; moments are shown where the user is. */

import { lazy } from "../../parts/words/Time";

const DAY_MS = 86_400_000;

/** Return the day of a moment where the user is. */
export function dayOf(moment: Date): string {
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** Return the day of a moment in UTC, by which secrets expire. */
export function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Return how many days lie from one day to another; negative if `to` is earlier. */
function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS);
}

/** Return the month "YYYY-MM" that lies `by` months after `month`. */
export function monthAfter(month: string, by: number): string {
  const [year = 1970, number = 1] = month.split("-").map(Number);
  const months = year * 12 + number - 1 + by;
  return `${String(Math.floor(months / 12)).padStart(4, "0")}-${two((((months % 12) + 12) % 12) + 1)}`;
}

/** Return the weeks of a month, from Monday to Sunday, with "" for days of other months. */
export function weeksOf(month: string): string[][] {
  const first = new Date(`${month}-01T00:00:00Z`);
  const length = daysBetween(`${month}-01`, `${monthAfter(month, 1)}-01`);
  const before = (first.getUTCDay() + 6) % 7;
  const cells = Array.from({ length: Math.ceil((before + length) / 7) * 7 }, (_, at) => {
    const day = at - before + 1;
    return day < 1 || day > length ? "" : `${month}-${two(day)}`;
  });
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}

const MONTH = lazy(() => new Intl.DateTimeFormat("en", { month: "long", year: "numeric", timeZone: "UTC" }));
const SHORT_MONTH = lazy(() => new Intl.DateTimeFormat("en", { month: "short", timeZone: "UTC" }));
const DAY = lazy(() => new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }));

/** Return a month in words, e.g. "November 2026". */
export function monthName(month: string): string {
  return MONTH().format(new Date(`${month}-01T00:00:00Z`));
}

/** Return a month's short name, e.g. "Nov". */
export function shortMonth(month: string): string {
  return SHORT_MONTH().format(new Date(`${month}-01T00:00:00Z`));
}

/** Return a day in words, e.g. "Thursday, November 26, 2026". */
export function dayName(day: string): string {
  return DAY().format(new Date(`${day}T00:00:00Z`));
}

/** Return where a day lies from today, e.g. "expired 3 days ago", "today", "in 12 days". `past` stands before what is over. */
export function fromToday(day: string, today: string, past = "expired "): string {
  const days = daysBetween(today, day);
  if (days === 0) return "today";
  if (days === 1) return "tomorrow";
  if (days < 0) return days === -1 ? `${past}yesterday` : `${past}${(-days).toLocaleString("en")} days ago`;
  return `in ${days.toLocaleString("en")} days`;
}

const CLOCK = lazy(() => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
const CLOCK_AND_DAY = lazy(() => new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }));

/** Return the time of day where the user is, with the day if that is not today. */
export function clock(moment: string, today: string): string {
  const at = new Date(moment);
  if (Number.isNaN(at.getTime())) return "";
  return (dayOf(at) === today ? CLOCK : CLOCK_AND_DAY)().format(at);
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** Return the day that lies `by` days after `day`. */
export function dayAfter(day: string, by: number): string {
  return utcDay(Date.parse(`${day}T00:00:00Z`) + by * DAY_MS);
}
