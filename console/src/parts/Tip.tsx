/** A sentence that appears on hover and on focus, and that Esc hides. Screen readers read it as the description. */

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

interface TipProps {
  /** The sentence. */
  text: string;
  /** What it explains. It receives the id for `aria-describedby`. */
  children: (describedBy: string) => ComponentChildren;
  side?: "start" | "end";
}

export function Tip({ text, children, side = "start" }: TipProps) {
  const id = useId();
  const [hidden, setHidden] = useState(false);
  return (
    <span
      class={`tipped ${hidden ? "tip-hidden" : ""}`}
      onKeyDown={(event) => event.key === "Escape" && setHidden(true)}
      onPointerEnter={() => setHidden(false)}
      onFocusIn={() => setHidden(false)}
    >
      {children(id)}
      <span id={id} role="tooltip" class={`tip tip-${side}`}>
        {text}
      </span>
    </span>
  );
}
