/** Values that components follow: what the whole page knows, and what can wait until the first view is on the screen. */

import { useEffect, useReducer } from "preact/hooks";

interface Cell<T> {
  get(): T;
  /** Set it and tell all that follow. Setting what is there already tells nobody. */
  set(next: T): void;
  /** Call `listener` after each change; return what ends that. */
  follow(listener: () => void): () => void;
}

/** Return a new cell that holds `first`. */
export function cell<T>(first: T): Cell<T> {
  let now = first;
  const listeners = new Set<() => void>();
  return {
    get: () => now,
    set(next) {
      if (Object.is(now, next)) return;
      now = next;
      for (const listener of [...listeners]) listener();
    },
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Return what a cell holds, and draw the component again whenever that changes. */
export function useCell<T>(one: Cell<T>): T {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => one.follow(() => draw(undefined)), [one]);
  return one.get();
}

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
