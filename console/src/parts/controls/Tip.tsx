/** A sentence that appears on hover and on focus, and that Esc hides. Screen readers read it as the description. */

import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";

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
