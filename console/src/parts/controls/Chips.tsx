/** Filters as chips: each says what it filters by, how many there are, and can be taken away. */

import type { ComponentChildren } from "preact";
import { useIsPainted } from "../../state/painted";
import { Icon } from "../Icon";
import { grouped } from "../words/grouped";

/** A filter that is on, with a cross. */
export function Chip({ name, children, onRemove }: { name: string; children: ComponentChildren; onRemove: () => void }) {
  return (
    <span class="chip chip-on">
      <span class="chip-name">{name}</span>
      <span class="chip-text">{children}</span>
      <button type="button" class="chip-x" aria-label={`Remove the filter: ${name}`} onClick={onRemove}>
        <Icon name="x" />
      </button>
    </span>
  );
}

interface ChipMenuProps {
  /** What it filters by, e.g. "Store". */
  name: string;
  choices: readonly { value: string; text: string; count?: number }[];
  /** What is chosen; "" for all. */
  value: string;
  /** What no choice is called, e.g. "All stores". */
  all: string;
  onChange: (value: string) => void;
}

/** A chip that opens the browser's own list of choices. */
export function ChipMenu({ name, choices, value, all, onChange }: ChipMenuProps) {
  const shown = useIsPainted() ? choices : [];
  const known = value === "" || shown.some((choice) => choice.value === value);
  return (
    <label class={`chip chip-menu ${value === "" ? "" : "chip-on"}`}>
      <span class="chip-name">{name}</span>
      <select value={value} aria-label={name} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{all}</option>
        {!known && <option value={value}>{value}</option>}
        {shown.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.count === undefined ? choice.text : `${choice.text} (${grouped(choice.count)})`}
          </option>
        ))}
      </select>
      <Icon name="chevronDown" />
    </label>
  );
}
