/** Copies a text that is no secret. */

import { useEffect, useState } from "preact/hooks";
import { announce } from "../../state/notes";
import { Button } from "./Button";

/** `what` names the text in the button's label, e.g. "hash". Never give it a value. */
export function CopyButton({ text, what, children }: { text: string; what: string; children?: string }) {
  const [said, setSaid] = useState<"" | "Copied" | "Not copied">("");
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => setSaid(""), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
      announce(`The ${what} is copied.`);
    } catch {
      setSaid("Not copied");
      announce(`The browser did not let the ${what} be copied. Select it and copy it by hand.`);
    }
  };
  return (
    <Button kind={children === undefined ? "quiet" : "plain"} small icon={said === "Copied" ? "check" : said === "" ? "copy" : "x"} label={said || `Copy the ${what}`} onClick={() => void copy()}>
      {children}
    </Button>
  );
}
