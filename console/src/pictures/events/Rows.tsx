/** A long list of which only the rows in sight exist: thousands cost no more than a screenful. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface RowsProps<T> {
  rows: readonly T[];
  /** The height of each row in pixels. */
  height: number;
  keyOf: (row: T) => string | number;
  children: (row: T) => ComponentChildren;
  name: string;
  /** Told whether the focus is in a row: then no row should go away. */
  onHold?: (hold: boolean) => void;
}

/** How many rows stand ready above and below what is in sight. */
const SPARE = 8;

/** When rows come in at the top while the user looks further down, what they look at stays where it is. */
export function Rows<T>({ rows, height, keyOf, children, name, onHold }: RowsProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 800 });
  const first = useRef<string | number | undefined>(undefined);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const look = () => setSeen({ top: element.scrollTop, height: element.clientHeight });
    look();
    const watch = new ResizeObserver(look);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  useLayoutEffect(() => {
    const was = first.current;
    const newest = rows[0];
    first.current = newest === undefined ? undefined : keyOf(newest);
    const element = box.current;
    if (element === null || was === undefined || was === first.current || element.scrollTop === 0) return;
    const came = rows.findIndex((row) => keyOf(row) === was);
    if (came <= 0) return;
    element.scrollTop += came * height;
    // Not only when the scroll event comes: until then the rows in sight would be missing.
    setSeen({ top: element.scrollTop, height: element.clientHeight });
  }, [rows, height]);

  const from = Math.max(0, Math.floor(seen.top / height) - SPARE);
  const to = Math.min(rows.length, Math.ceil((seen.top + seen.height) / height) + SPARE);
  return (
    <div class="pic-rows" ref={box} tabIndex={0} role="group" aria-label={name} onFocusIn={(event) => onHold?.(event.target !== event.currentTarget)} onFocusOut={() => onHold?.(false)} onScroll={(event) => setSeen({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}>
      <ol class="pic-rows-all" style={{ height: `${rows.length * height}px` }}>
        {rows.slice(from, to).map((row, at) => (
          <li key={keyOf(row)} class="pic-rows-row" style={{ top: `${(from + at) * height}px`, height: `${height}px` }} aria-setsize={rows.length} aria-posinset={from + at + 1}>
            {children(row)}
          </li>
        ))}
      </ol>
    </div>
  );
}
