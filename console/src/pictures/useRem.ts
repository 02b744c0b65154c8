/** The size of the page's text, for what is drawn in pixels: very wide screens have larger text. */

import { useEffect, useState } from "preact/hooks";

function measured(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) || 14;
}

/** Return how many pixels 1 rem is. */
export function useRem(): number {
  const [rem, setRem] = useState(measured);
  useEffect(() => {
    const look = () => setRem(measured());
    addEventListener("resize", look);
    return () => removeEventListener("resize", look);
  }, []);
  return rem;
}
