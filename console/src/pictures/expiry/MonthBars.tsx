/** Months as bars: how many secrets expire in each. A bar is a button that shows its month. */

import { shortMonth } from "../words/days";

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
