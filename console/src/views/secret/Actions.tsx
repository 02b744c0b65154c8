/** What can be done with a secret. What cannot says why. */

import { useId } from "preact/hooks";
import type { Secret, Store } from "../../api/documents/shown";
import { notAble, notAllowed } from "../../forms/able";
import { rotatedAt } from "../../forms/uris";
import { Card, Icon, type IconName } from "../../parts";
import { useMe } from "../../state/me";
import { type FormName, openForm, type Start } from "../../state/openForm";

interface Action {
  form: FormName;
  icon: IconName;
  text: string;
  what: string;
  /** Whether it makes sense for a secret that is deleted, or for one that is there. */
  when: "present" | "deleted" | "both";
}

const ACTIONS: readonly Action[] = [
  { form: "put", icon: "up", text: "Put", what: "Replace all of it with what you type or drop.", when: "both" },
  { form: "patch", icon: "edit", text: "Change keys", what: "Set some keys, remove others, leave the rest.", when: "present" },
  { form: "generate", icon: "wand", text: "Generate", what: "The reactor makes a new one. Nobody sees it.", when: "both" },
  { form: "rotate", icon: "refresh", text: "Rotate now", what: "Its account gets a new password. Nobody sees it.", when: "present" },
  { form: "compare", icon: "compare", text: "Compare", what: "Is it what you have? Nothing is written.", when: "present" },
  { form: "verify", icon: "shieldCheck", text: "Verify", what: "Ask the engine whether it still holds this.", when: "present" },
  { form: "copy", icon: "copy", text: "Copy", what: "To another place, from reactor to reactor.", when: "present" },
  { form: "import", icon: "down", text: "Import", what: "Adopt what others put into the engine.", when: "both" },
  { form: "label", icon: "tag", text: "Label", what: "Names with values, to find it by.", when: "present" },
  { form: "expire", icon: "calendar", text: "Expiry", what: "Note the day on which it expires.", when: "present" },
  { form: "undelete", icon: "undo", text: "Undelete", what: "Bring the deleted version back.", when: "deleted" },
  { form: "rollback", icon: "rollback", text: "Roll back", what: "Write an earlier version again.", when: "both" },
  { form: "delete", icon: "trash", text: "Delete", what: "Remove it from its engine. You confirm by typing.", when: "present" },
];

export function Actions({ secret, store }: { secret: Secret; store: Store | undefined }) {
  const who = useMe();
  const now = secret.deleted ? "deleted" : "present";
  return (
    <Card title="What you can do" flush>
      <ul class="actions">
        {ACTIONS.filter(({ when }) => when === "both" || when === now).map((action) => (
          <One key={action.form} action={action} start={startOf(action.form, secret)} why={notAllowed(action.form, who) || (store === undefined ? "" : notAble(action.form, store))} />
        ))}
      </ul>
    </Card>
  );
}

/** A comparison is about all keys of the secret, so its form begins with them. A rotation is of the secret beside which its new values stand. */
function startOf(form: FormName, { uri, values }: Secret): Start {
  if (form === "rotate") return { uri: rotatedAt(uri) };
  return form === "compare" ? { uri, keys: Object.keys(values) } : { uri };
}

function One({ action, start, why }: { action: Action; start: Start; why: string }) {
  const id = useId();
  const refused = why !== "";
  return (
    <li>
      <button type="button" class={`action action-${action.form}`} aria-labelledby={`${id}-text`} aria-describedby={id} aria-disabled={refused ? "true" : undefined} onClick={() => !refused && openForm(action.form, start)}>
        <Icon name={action.icon} />
        <span class="action-text" id={`${id}-text`}>
          {action.text}
        </span>
        <span class="action-what" id={id}>
          {refused ? why : action.what}
        </span>
      </button>
    </li>
  );
}
