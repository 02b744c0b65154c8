/** What expires and which rotations are due, and when: what is past first, a month as a calendar, twelve months as bars, and the secrets of what is chosen. */

import { useState } from "preact/hooks";
import type { ExpiringDay } from "../api/documents/pictures";
import { notAllowed } from "../forms/able";
import { rotatedAt } from "../forms/uris";
import { Banner, Button, Card, Empty, FailureBox, PageHead, Pages, Skeleton, Uri, useNow } from "../parts";
import { Calendar, MonthBars } from "../pictures/expiry/Calendar";
import { type Choice, chosenDays, type Outlook, outlookOf } from "../pictures/expiry/outlook";
import { dayAfter, dayName, fromToday, monthName, utcDay } from "../pictures/words/days";
import { counted } from "../pictures/words/outcomes";
import { useAnswer } from "../state/answer";
import { useMe } from "../state/me";
import type { Place } from "../state/navigation";
import { openForm } from "../state/openForm";

interface Answered {
  days: ExpiringDay[];
  without: number;
}

export function Expiring(_: { place: Place }) {
  const { data, failure, loading, again } = useAnswer<Answered>("expiring");
  return (
    <div class="pic-view">
      <PageHead title="Expiring" lead="The days on which secrets should be replaced, or a rotation is due. Nothing happens on such a day by itself: it is a note, and m8’s word." />
      {failure !== undefined && <FailureBox failure={failure} onRetry={again} tone={data === undefined ? "bad" : "warn"} />}
      {loading && <Skeleton lines={8} />}
      {data !== undefined && data.days.length === 0 && (
        <Empty icon="calendar" title="No secret has such a day.">{data.without > 0 && `${counted(data.without, "secret")} without one. Open a secret and set a day, or give one with a put.`}</Empty>
      )}
      {data !== undefined && data.days.length > 0 && <Shown data={data} />}
    </div>
  );
}

function Shown({ data }: { data: Answered }) {
  const today = utcDay(useNow());
  const in30 = dayAfter(today, 30);
  const outlook = outlookOf(data.days, today, in30);
  const [choice, setChoice] = useState<Choice>(outlook.expired.length > 0 ? { of: "expired" } : { of: "month", month: today.slice(0, 7) });
  const [month, setMonth] = useState(today.slice(0, 7));
  const showMonth = (next: string) => {
    setMonth(next);
    setChoice({ of: "month", month: next });
  };
  return (
    <div class="pic-view">
      {outlook.expired.length > 0 && <Expired outlook={outlook} today={today} onShow={() => setChoice({ of: "expired" })} />}
      <p class="pic-line">
        {outlook.soon === 0 ? "Nothing expires or is due within 30 days." : <>{counted(outlook.soon, "secret")} {outlook.soon === 1 ? "expires or is due" : "expire or are due"} within 30 days. <Button small kind="quiet" onClick={() => setChoice({ of: "soon" })}>Show them</Button></>}
        {data.without > 0 && <span class="pic-quiet"> {counted(data.without, "secret")} without a day.</span>}
      </p>
      <div class="pic-two">
        <Card><Calendar month={month} today={today} counts={outlook.counts} chosen={choice.of === "day" ? choice.day : ""} onChoose={(day) => setChoice({ of: "day", day })} onMonth={showMonth} /></Card>
        <Card title="The next twelve months">
          <MonthBars months={outlook.months} chosen={month} onChoose={showMonth} />
          {outlook.later > 0 && <p class="pic-quiet">{counted(outlook.later, "secret")} later than that. <Button small kind="quiet" onClick={() => setChoice({ of: "later" })}>Show them</Button></p>}
        </Card>
      </div>
      <Chosen key={JSON.stringify(choice)} choice={choice} days={chosenDays(data.days, choice, today, in30)} today={today} />
    </div>
  );
}

function Expired({ outlook, today, onShow }: { outlook: Outlook; today: string; onShow: () => void }) {
  const oldest = outlook.expired[0];
  return (
    <Banner tone="bad" icon="alert" actions={<Button small onClick={onShow}>Show them</Button>}>
      {outlook.expiredCount > 0 && <strong>{`${counted(outlook.expiredCount, "secret")} ${outlook.expiredCount === 1 ? "has" : "have"} expired. `}</strong>}
      {outlook.overdueCount > 0 && <strong>{`${counted(outlook.overdueCount, "rotation")} ${outlook.overdueCount === 1 ? "is" : "are"} overdue. `}</strong>}
      {oldest !== undefined && `The oldest day was ${fromToday(oldest.day, today, "")}. Put new values or rotate, or move the day if the old ones are still good.`}
    </Banner>
  );
}

function titleOf(choice: Choice, today: string): string {
  switch (choice.of) {
    case "expired":
      return "Expired or overdue";
    case "soon":
      return "Within 30 days";
    case "later":
      return "Later than twelve months";
    case "month":
      return monthName(choice.month);
    case "day":
      return `${dayName(choice.day)}, ${fromToday(choice.day, today)}`;
  }
}

const SIZE = 50;

function Chosen({ choice, days, today }: { choice: Choice; days: ExpiringDay[]; today: string }) {
  const [page, setPage] = useState(0);
  const who = useMe();
  const rows = days.flatMap(({ day, uris, due }) => [...uris.map((uri) => ({ day, uri, isDue: false })), ...due.map((uri) => ({ day, uri, isDue: true }))]);
  const shown = rows.slice(page * SIZE, (page + 1) * SIZE);
  return (
    <Card title={<span role="status">{`${titleOf(choice, today)}: ${counted(rows.length, "secret")}`}</span>} flush>
      {rows.length === 0 && <Empty icon="check" title="Nothing expires or is due then." />}
      <ul class="pic-due">
        {shown.map(({ day, uri, isDue }) => (
          <li key={`${day} ${uri} ${isDue}`} class={day < today ? "pic-due-past" : ""}>
            <Uri uri={uri} />
            <time dateTime={day}>{day}</time>
            <span class="pic-due-when">{isDue ? `rotation due ${fromToday(day, today, "")}` : fromToday(day, today)}</span>
            <span class="pic-due-do">
              {isDue ? (
                <Button small why={notAllowed("rotate", who)} onClick={() => openForm("rotate", { uri: rotatedAt(uri) })}>Rotate now</Button>
              ) : (
                <>
                  <Button small why={notAllowed("put", who)} onClick={() => openForm("put", { uri })}>Put a new value</Button>
                  <Button small kind="quiet" why={notAllowed("expire", who)} onClick={() => openForm("expire", { uri })}>Move the day</Button>
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
      {rows.length > SIZE && <Pages page={page} size={SIZE} total={rows.length} onPage={setPage} />}
    </Card>
  );
}
