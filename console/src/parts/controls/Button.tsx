/** Buttons and links. A button that cannot be used says why, and still takes the focus so that everybody can learn it. */

import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "../Icon";
import { Tip } from "./Tip";

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
