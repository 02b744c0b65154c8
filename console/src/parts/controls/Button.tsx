/** What is pressed: buttons and links, chips, what copies a text; and the tips that explain them.
 *
 * A sentence that appears on hover and on focus, and that Esc hides. Screen readers read it as the description.
 * Buttons and links. A button that cannot be used says why, and still takes the focus so that everybody can learn it.
 * Copies a text that is no secret.
 */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useIsPainted } from "../../state/cell";
import { announce } from "../../state/notes";
import { Icon, type IconName } from "../Icon";
import { grouped } from "../words/Labels";

interface TipProps {
  /** The sentence. */
  text: string;
  /** What it explains. It receives the id for `aria-describedby`. */
  children: (describedBy: string) => ComponentChildren;
}

export function Tip({ text, children }: TipProps) {
  const id = useId();
  const element = useRef<HTMLSpanElement>(null);
  const [look, setLook] = useState("");
  // It grows towards the side that has more room.
  const show = () => {
    const box = element.current?.getBoundingClientRect();
    const toTheLeft = box !== undefined && (box.left + box.right) / 2 > innerWidth / 2;
    setLook(toTheLeft ? "tip-shown tip-end" : "tip-shown");
  };
  return (
    <span ref={element} class={`tipped ${look}`} onKeyDown={(event) => event.key === "Escape" && setLook("")} onPointerEnter={show} onPointerLeave={() => setLook("")} onFocusIn={show} onFocusOut={() => setLook("")}>
      {children(id)}
      <span id={id} role="tooltip" class="tip">
        {text}
      </span>
    </span>
  );
}

interface ButtonProps {
  children?: ComponentChildren;
  /** "primary" for the one thing that one comes for, "plain" for the rest, "danger" for what takes something away, "quiet" without a frame. */
  kind?: "primary" | "plain" | "danger" | "quiet";
  icon?: IconName;
  /** For a button with a picture alone: what it does. */
  label?: string;
  /** Why it cannot be used now, as a sentence; "" if it can. */
  why?: string;
  /** Whether what it started is under way. */
  busy?: boolean;
  small?: boolean;
  onClick?: (event: MouseEvent) => void;
  type?: "button" | "submit";
  pressed?: boolean;
  expanded?: boolean;
  /** The name under which the focus comes back here after Back. */
  at?: string;
}

export function Button(props: ButtonProps) {
  const { why = "" } = props;
  if (why === "") return <Plain {...props} />;
  return <Tip text={why}>{(describedBy) => <Plain {...props} describedBy={describedBy} />}</Tip>;
}

function Plain(props: ButtonProps & { describedBy?: string }) {
  const { kind = "plain", why = "", busy = false, icon, label, children, type = "button" } = props;
  const refused = why !== "" || busy;
  return (
    <button
      type={refused ? "button" : type}
      class={`button button-${kind} ${props.small ? "button-small" : ""} ${children === undefined ? "button-icon" : ""}`}
      aria-label={label}
      title={children === undefined ? label : undefined}
      aria-disabled={refused ? "true" : undefined}
      aria-busy={busy ? "true" : undefined}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-describedby={props.describedBy}
      data-at={props.at}
      onClick={(event) => (refused ? event.preventDefault() : props.onClick?.(event))}
    >
      {busy ? <span class="spinner" aria-hidden="true" /> : icon !== undefined && <Icon name={icon} />}
      {children !== undefined && <span>{children}</span>}
    </button>
  );
}

/** A link to another place of the page. It is a button to the browser, because the address never changes. */
export function Link({ onClick, children, at, class: extra, label }: { onClick: () => void; children: ComponentChildren; at?: string; class?: string; label?: string }) {
  return (
    <button type="button" role="link" class={`link ${extra ?? ""}`} data-at={at} aria-label={label} onClick={onClick}>
      {children}
    </button>
  );
}

/** `what` names the text in the button's label, e.g. "hash". Never give it a value. */
export function CopyButton({ text, what, children }: { text: string; what: string; children?: string }) {
  const [said, setSaid] = useState<"" | "Copied" | "Not copied">("");
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => setSaid(""), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
      announce(`The ${what} is copied.`);
    } catch {
      setSaid("Not copied");
      announce(`The browser did not let the ${what} be copied. Select it and copy it by hand.`);
    }
  };
  return (
    <Button kind={children === undefined ? "quiet" : "plain"} small icon={said === "Copied" ? "check" : said === "" ? "copy" : "x"} label={said || `Copy the ${what}`} onClick={() => void copy()}>
      {children}
    </Button>
  );
}

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
