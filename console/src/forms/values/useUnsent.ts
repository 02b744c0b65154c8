/** Tells the frame that values are entered and not sent, so that leaving asks. */

import { useEffect } from "preact/hooks";
import type { FormProps } from "../../state/openForm";
import type { Values } from "./useValues";

/** Keep `setUnsent` up to date. */
export function useUnsent(values: Values, setUnsent: FormProps["setUnsent"]): void {
  const unsent = values.unsent();
  useEffect(() => {
    setUnsent(unsent ? "What you entered is not sent yet." : null);
    return () => setUnsent(null);
  }, [unsent]);
}
