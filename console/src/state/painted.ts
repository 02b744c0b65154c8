/** What can wait until the first view is on the screen: rows below it, and choices of menus that are closed. */

import { cell, useCell } from "./cell";

const painted = cell(false);

/** Say that the first view has been drawn: once it is on the screen, the rest is drawn. Call it once. */
export function drawRestAfterPaint(): void {
  const rest = () => painted.set(true);
  requestAnimationFrame(() => setTimeout(rest));
  // A page that nobody looks at has no frames.
  setTimeout(rest, 200);
}

/** Return whether the first view is on the screen; the component is drawn again when it is. */
export function useIsPainted(): boolean {
  return useCell(painted);
}
