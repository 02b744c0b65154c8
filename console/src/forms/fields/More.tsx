/** A part of a form that most people leave as it is: closed, with what it says now. */

import type { ComponentChildren } from "preact";

/** The browser's own disclosure: keyboard and screen readers know it. `summary` says what holds while it is closed. */
export function More({ title, summary, children }: { title: string; summary: ComponentChildren; children: ComponentChildren }) {
  return (
    <details class="more">
      <summary>
        <span class="more-title">{title}</span> <span class="more-now">{summary}</span>
      </summary>
      <div class="more-body">{children}</div>
    </details>
  );
}
