/** Days of expiry and of rotations: a month as a calendar, and the months to come as bars. */

import { Button } from "../../parts";
import { dayName, monthAfter, monthName, shortMonth, weeksOf } from "../words/days";
import { counted } from "../words/outcomes";

const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

interface CalendarProps {
  /** "YYYY-MM". */
  month: string;
  today: string;
  /** How many expire or are due on each day. */
  counts: ReadonlyMap<string, number>;
  /** The day that is chosen; "" for none. */
  chosen: string;
  onChoose: (day: string) => void;
  onMonth: (month: string) => void;
}

export function Calendar({ month, today, counts, chosen, onChoose, onMonth }: CalendarProps) {
  return (
    <div class="pic-calendar">
      <div class="pic-calendar-head">
        <Button small icon="chevronLeft" label={`Back to ${monthName(monthAfter(month, -1))}`} onClick={() => onMonth(monthAfter(month, -1))} />
        <h2 class="pic-calendar-month" aria-live="polite">{monthName(month)}</h2>
        <Button small icon="chevronRight" label={`On to ${monthName(monthAfter(month, 1))}`} onClick={() => onMonth(monthAfter(month, 1))} />
      </div>
      <table class="pic-days">
        <caption class="unseen">{`Days of ${monthName(month)} on which secrets expire or are due`}</caption>
        <thead>
          <tr>
            {WEEKDAYS.map((weekday) => (
              <th key={weekday} scope="col"><abbr title={weekday}>{weekday.slice(0, 2)}</abbr></th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeksOf(month).map((week) => (
            <tr key={week.join()}>
              {week.map((day, at) => <td key={day || at}>{day !== "" && <Day day={day} today={today} count={counts.get(day) ?? 0} chosen={day === chosen} onChoose={onChoose} />}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Day({ day, today, count, chosen, onChoose }: { day: string; today: string; count: number; chosen: boolean; onChoose: (day: string) => void }) {
  const number = Number(day.slice(8));
  const when = day < today ? "expired or overdue" : "to expire or due";
  const classes = ["pic-day", day === today && "pic-day-today", count > 0 && (day < today ? "pic-day-past" : "pic-day-full")].filter(Boolean).join(" ");
  if (count === 0)
    return (
      <span class={classes} aria-current={day === today ? "date" : undefined}>
        <span class="pic-day-number">{number}</span>
      </span>
    );
  return (
    <button
      type="button"
      class={classes}
      aria-pressed={chosen}
      aria-current={day === today ? "date" : undefined}
      title={`${dayName(day)}: ${counted(count, "secret")} ${when}`}
      onClick={() => onChoose(day)}
    >
      <span class="pic-day-number">{number}</span>
      <span class="unseen">{` ${monthName(day.slice(0, 7))}: `}</span>
      <span class="pic-day-count">{count.toLocaleString("en")}</span>
      <span class="unseen">{` ${when}`}</span>
    </button>
  );
}

interface MonthBarsProps {
  months: { month: string; count: number }[];
  chosen: string;
  onChoose: (month: string) => void;
}

export function MonthBars({ months, chosen, onChoose }: MonthBarsProps) {
  const most = Math.max(1, ...months.map((one) => one.count));
  return (
    <ol class="pic-months" aria-label="The next twelve months">
      {months.map(({ month, count }, at) => {
        const height = count === 0 ? 0.8 : Math.max(4, (count / most) * 100);
        return (
          <li key={month}>
            <button type="button" class="pic-month" aria-pressed={month === chosen} onClick={() => onChoose(month)}>
              <span class={count === 0 ? "pic-month-count pic-quiet" : "pic-month-count"}>{count.toLocaleString("en")}</span>
              <span class="unseen">{count === 1 ? " secret in " : " secrets in "}</span>
              <svg class="pic-month-bar" viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true">
                <rect class={count === 0 ? "pic-month-none" : "pic-month-some"} x="0" width="10" y={100 - height} height={height} />
              </svg>
              <span class="pic-month-name">{shortMonth(month)}</span>
              <span class={at === 0 || month.endsWith("-01") ? "pic-month-year" : "pic-month-year pic-month-same"}> {month.slice(0, 4)}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
