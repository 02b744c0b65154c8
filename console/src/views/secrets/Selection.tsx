/** What can be done to the secrets that are chosen. */

import type { Me } from "../../api/documents/session";
import { notAllowed } from "../../forms/able";
import { Button, type IconName } from "../../parts";
import { useMe } from "../../state/me";
import { type FormName, openForm } from "../../state/openForm";

const ACTIONS: readonly { form: FormName; text: string; icon: IconName }[] = [
  { form: "verify", text: "Verify", icon: "shieldCheck" },
  { form: "label", text: "Label", icon: "tag" },
  { form: "expire", text: "Expiry", icon: "calendar" },
  { form: "delete", text: "Delete", icon: "trash" },
];

/** Whether anything can be done to secrets that are chosen. If not, none can be chosen. */
export function canChoose(who: Me): boolean {
  return ACTIONS.some(({ form }) => notAllowed(form, who) === "");
}

export function Selection({ chosen, onClear }: { chosen: ReadonlySet<string>; onClear: () => void }) {
  const who = useMe();
  const uris = [...chosen].sort();
  return (
    <div class="selection" role="group" aria-label="What is chosen">
      <span class="selection-count" role="status">
        {uris.length.toLocaleString("en")} chosen
      </span>
      {ACTIONS.map(({ form, text, icon }) => (
        <Button key={form} small icon={icon} why={notAllowed(form, who)} onClick={() => openForm(form, { uris })}>
          {text}
        </Button>
      ))}
      <Button small kind="quiet" icon="x" onClick={onClear}>
        Choose none
      </Button>
    </div>
  );
}
