/** Days on which secrets expire and rotations are due, as the calendar and the bars show them. Pure. */

import type { ExpiringDay } from "../../api/documents/pictures";
import { monthAfter } from "../words/days";

export interface Outlook {
  /** The day before today and earlier, the oldest first. */
  expired: ExpiringDay[];
  expiredCount: number;
  overdueCount: number;
  /** How many expire or are due today or within 30 days. */
  soon: number;
  counts: Map<string, number>;
  months: { month: string; count: number }[];
  /** How many do so after the twelve months. */
  later: number;
}

function sizeOf({ uris, due }: ExpiringDay): number {
  return uris.length + due.length;
}

/** Sort days into what has expired and what will. `today` and `in30` are "YYYY-MM-DD". */
export function outlookOf(days: readonly ExpiringDay[], today: string, in30: string): Outlook {
  const counts = new Map(days.map((one) => [one.day, sizeOf(one)]));
  const first = today.slice(0, 7);
  const months = Array.from({ length: 12 }, (_, by) => ({ month: monthAfter(first, by), count: 0 }));
  const byMonth = new Map(months.map((one) => [one.month, one]));
  const expired: ExpiringDay[] = [];
  let soon = 0;
  let later = 0;
  for (const one of days) {
    if (one.day < today) {
      expired.push(one);
      continue;
    }
    if (one.day <= in30) soon += sizeOf(one);
    const month = byMonth.get(one.day.slice(0, 7));
    if (month === undefined) later += sizeOf(one);
    else month.count += sizeOf(one);
  }
  const past = (of: "uris" | "due") => expired.reduce((sum, one) => sum + one[of].length, 0);
  return { expired, expiredCount: past("uris"), overdueCount: past("due"), soon, counts, months, later };
}

/** Which secrets are listed below the picture. */
export type Choice = { of: "expired" } | { of: "soon" } | { of: "month"; month: string } | { of: "day"; day: string } | { of: "later" };

/** Return the days that a choice means. */
export function chosenDays(days: readonly ExpiringDay[], choice: Choice, today: string, in30: string): ExpiringDay[] {
  return days.filter(({ day }) => {
    switch (choice.of) {
      case "expired":
        return day < today;
      case "soon":
        return day >= today && day <= in30;
      case "day":
        return day === choice.day;
      case "month":
        return day.startsWith(choice.month);
      case "later":
        return day >= `${monthAfter(today.slice(0, 7), 12)}-01`;
    }
  });
}
