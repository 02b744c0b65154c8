/** Tells the frame that values are entered and not sent, so that leaving asks. */

import { useLayoutEffect } from "preact/hooks";
import type { FormProps } from "../../state/openForm";
import type { Values } from "./useValues";

/** Have the frame look at the fields themselves when somebody leaves: a rendering would tell it too late of the last key. */
export function useUnsent(values: Values, setUnsent: FormProps["setUnsent"]): void {
  useLayoutEffect(() => {
    setUnsent(() => (values.unsent() ? "What you entered is not sent yet." : null));
    return () => setUnsent(() => null);
  }, []);
}
