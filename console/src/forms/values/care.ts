/** When values are forgotten by themselves: two minutes after the last key press, when the page is left, and when monoctl has ended. */

import { useEffect, useRef } from "preact/hooks";
import { onEnded } from "../../api/ended";

/** How long typed values stay without a key press, in milliseconds. */
const KEPT_MS = 120_000;

/** Call `expired` two minutes after the last call of what is returned, and `left` when the page or the form is left, or monoctl has ended. */
export function useCare(expired: () => void, left: () => void): () => void {
  const timer = useRef(0);
  const latest = useRef({ expired, left });
  latest.current = { expired, left };
  useEffect(() => {
    const leave = () => latest.current.left();
    addEventListener("pagehide", leave);
    const settle = onEnded(leave);
    return () => {
      settle();
      removeEventListener("pagehide", leave);
      clearTimeout(timer.current);
      leave();
    };
  }, []);
  return () => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => latest.current.expired(), KEPT_MS);
  };
}
