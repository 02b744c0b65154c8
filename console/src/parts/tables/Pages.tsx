/** The pages of a long list. */

import { Button } from "../controls/Button";
import { grouped } from "../words/grouped";

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
