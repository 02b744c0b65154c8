/** Tables, and the steps through their pages.
 *
 * Tables: sorted by their heads, with rows that can be chosen, and cards on narrow screens.
 *
 * The arrow keys go from row to row; with Shift, a click or Space chooses all rows between.
 */

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { useIsPainted } from "../../state/cell";
import { Button } from "../controls/Button";
import { Checkbox } from "../controls/Field";
import { Icon } from "../Icon";
import { grouped } from "../words/Labels";

/** As many rows as most screens show: in the first view, the others wait. */
const FIRST_ROWS = 20;

export interface Column<T> {
  id: string;
  title: string;
  cell: (row: T) => ComponentChildren;
  /** By what the table is sorted when the head is used; without it the column cannot be sorted. */
  sort?: string;
  /** "main" is the first line of a card; "number" stands at the right; "tight" is as narrow as its content; "wide" is left
   * out where the screen is narrow, because another column says it there. */
  look?: "main" | "number" | "tight" | "wide";
  /** The head is for screen readers alone. */
  quiet?: boolean;
}

interface Sorting {
  by: string;
  descending: boolean;
}

interface TableProps<T> {
  /** What the table shows, for screen readers. */
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  /** A text that is a row's own. */
  keyOf: (row: T) => string;
  sorting?: Sorting;
  onSort?: (sorting: Sorting) => void;
  /** The keys of the rows that are chosen; without it, none can be. */
  chosen?: ReadonlySet<string>;
  onChoose?: (chosen: Set<string>) => void;
  /** What is shown belongs to the question before. */
  stale?: boolean;
  /** Of a row that needs attention. */
  toneOf?: (row: T) => "" | "bad" | "faint";
}

export function Table<T>(props: TableProps<T>) {
  const { caption, columns, rows, keyOf, chosen, onChoose, stale = false } = props;
  const keys = rows.map(keyOf);
  const drawn = useIsPainted() ? rows : rows.slice(0, FIRST_ROWS);
  const last = useRef<string>(undefined);
  const choose = (key: string, on: boolean, through: boolean) => {
    if (chosen === undefined) return;
    const next = new Set(chosen);
    const from = through && last.current !== undefined ? keys.indexOf(last.current) : -1;
    const to = keys.indexOf(key);
    const range = from < 0 ? [key] : keys.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const one of range) {
      if (on) next.add(one);
      else next.delete(one);
    }
    last.current = key;
    onChoose?.(next);
  };
  return (
    <table class={`table ${stale ? "table-stale" : ""}`} aria-busy={stale} role="table">
      <caption class="unseen">{caption}</caption>
      <TableHead {...props} keys={keys} />
      <tbody role="rowgroup" onKeyDown={moveByArrow}>
        {drawn.map((row, at) => (
          <TableRow key={keys[at]} name={keys[at] ?? ""} row={row} columns={columns} chosen={chosen} choose={choose} tone={props.toneOf?.(row)} />
        ))}
      </tbody>
    </table>
  );
}

interface TableRowProps<T> {
  /** Its key. */
  name: string;
  row: T;
  columns: readonly Column<T>[];
  chosen: ReadonlySet<string> | undefined;
  choose: (key: string, on: boolean, through: boolean) => void;
  tone: "" | "bad" | "faint" | undefined;
}

function TableRow<T>({ name, row, columns, chosen, choose, tone }: TableRowProps<T>) {
  const on = chosen?.has(name) ?? false;
  return (
    <tr role="row" class={`${on ? "row-chosen" : ""} ${tone === undefined ? "" : `row-${tone}`}`}>
      {chosen !== undefined && (
        <td role="cell" class="cell-choose">
          <Checkbox hideLabel label={`Choose ${name}`} checked={on} onChange={(next, event) => choose(name, next, isShifted(event))} />
        </td>
      )}
      {columns.map((column) => (
        <td key={column.id} role="cell" class={`cell-${column.look ?? "plain"}`} data-title={column.quiet || column.look === "main" ? undefined : column.title}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

function TableHead<T>({ columns, rows, keys, sorting, onSort, chosen, onChoose }: TableProps<T> & { keys: readonly string[] }) {
  const shown = chosen === undefined ? 0 : keys.filter((key) => chosen.has(key)).length;
  const all = shown === rows.length && shown > 0;
  const chooseAll = (on: boolean) => {
    const next = new Set(chosen);
    for (const key of keys) {
      if (on) next.add(key);
      else next.delete(key);
    }
    onChoose?.(next);
  };
  return (
    <thead role="rowgroup">
      <tr role="row">
        {chosen !== undefined && (
          <th role="columnheader" scope="col" class="cell-choose">
            <Checkbox hideLabel label="Choose all rows of this page" checked={all} some={shown > 0 && !all} onChange={chooseAll} />
          </th>
        )}
        {columns.map((column) => {
          const by = sorting !== undefined && column.sort === sorting.by ? sorting : undefined;
          return (
            <th key={column.id} role="columnheader" scope="col" class={`cell-${column.look ?? "plain"}`} aria-sort={by === undefined ? undefined : by.descending ? "descending" : "ascending"}>
              {column.sort === undefined || onSort === undefined ? (
                <span class={column.quiet ? "unseen" : ""}>{column.title}</span>
              ) : (
                <button type="button" class="sort" onClick={() => onSort({ by: column.sort ?? "", descending: by !== undefined && !by.descending })}>
                  {column.title}
                  <Icon name={by === undefined ? "sort" : by.descending ? "arrowDown" : "arrowUp"} class={by === undefined ? "sort-off" : ""} />
                </button>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function isShifted(event: Event): boolean {
  return (window.event instanceof MouseEvent && window.event.shiftKey) || (event instanceof MouseEvent && event.shiftKey);
}

/** The arrow keys, Home and End move the focus to the same thing in another row. */
function moveByArrow(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const target = event.target;
  if (!(target instanceof HTMLElement) || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const row = target.closest("tr");
  if (row === null || target.matches("select, textarea, input:not([type=checkbox])")) return;
  const rows = [...event.currentTarget.querySelectorAll("tr")];
  const at = rows.indexOf(row);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key] ?? at;
  const place = [...row.querySelectorAll("a, button, input, [tabindex]")].indexOf(target);
  const there = rows[to]?.querySelectorAll<HTMLElement>("a, button, input, [tabindex]");
  if (there === undefined || there.length === 0) return;
  event.preventDefault();
  (there[place] ?? there[0])?.focus();
}

interface PagesProps {
  /** From 0. */
  page: number;
  size: number;
  total: number;
  onPage: (page: number) => void;
  sizes?: readonly number[];
  onSize?: (size: number) => void;
}

export function Pages({ page, size, total, onPage, sizes = [25, 50, 100, 200], onSize }: PagesProps) {
  const last = Math.max(0, Math.ceil(total / size) - 1);
  const from = Math.min(total, page * size + 1);
  const to = Math.min(total, (page + 1) * size);
  return (
    <nav class="pages" aria-label="Pages">
      <span class="pages-where" role="status">
        {grouped(from)}–{grouped(to)} of {grouped(total)}
      </span>
      {onSize !== undefined && (
        <label class="pages-size">
          <span>Rows</span>
          <select class="input input-small" value={size} onChange={(event) => onSize(Number(event.currentTarget.value))}>
            {sizes.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      )}
      <span class="pages-buttons">
        <Button small icon="chevronLeft" label="Previous page" why={page <= 0 ? "This is the first page." : ""} onClick={() => onPage(page - 1)} />
        <span class="pages-at">
          {grouped(page + 1)} / {grouped(last + 1)}
        </span>
        <Button small icon="chevronRight" label="Next page" why={page >= last ? "This is the last page." : ""} onClick={() => onPage(page + 1)} />
      </span>
    </nav>
  );
}
