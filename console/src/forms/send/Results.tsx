/** What came of a form: one row for each secret, done or failed, and the sentences that go with them. */

import type { ComponentChildren } from "preact";
import type { Row } from "../../api/documents/results";

import { Failed } from "./Failed";
import type { Sending } from "./useSending";
import { summary } from "./useSending";

interface ResultsProps<T> {
  sending: Sending<T>;
  /** The secrets, in the order in which they were sent. */
  uris: readonly string[];
  /** What is shown of one that was done. */
  done: (result: T) => ComponentChildren;
  close: () => void;
}

/** Show the rows in the order of the call. */
export function ResultList<T>({ sending, uris, done, close }: ResultsProps<T>) {
  const several = sending.results.length > 1;
  return (
    <div class="send-results" role="status">
      {several && <p class="send-summary">{summary(sending.results)}</p>}
      {sending.results.length === 0 && <p class="send-summary">There was nothing to do.</p>}
      <ul class="send-rows">
        {sending.results.map((row, index) => (
          <li key={index} class={`send-row ${"done" in row ? "is-done" : "is-failed"}`}>
            <OneResult row={row} uri={uris[index] ?? ""} sending={sending} done={done} close={close} />
          </li>
        ))}
      </ul>
      {sending.notes.map((note) => (
        <p class="send-note" key={note}>
          {note}
        </p>
      ))}
    </div>
  );
}

function OneResult<T>({ row, uri, sending, done, close }: { row: Row<T>; uri: string } & Omit<ResultsProps<T>, "uris">) {
  if ("done" in row) return <>{done(row.done)}</>;
  const about = row.failed.uri || uri;
  return <Failed failure={row.failed} uri={about} requestId={sending.progress.get(about)?.requestId ?? ""} close={close} />;
}
