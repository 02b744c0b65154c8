/** The table of forms: one line for each. A form that is not here cannot be opened; its buttons say so. */

import type { Form, FormName, Start } from "../state/openForm";
import { CompareForm, VerifyForm } from "./commands/Compare";
import { CopyForm, ImportForm } from "./commands/Copy";
import { DeleteForm, RollbackForm, UndeleteForm } from "./commands/Delete";
import { ExpireForm, LabelForm } from "./commands/Label";
import { GenerateForm, PatchForm, PutForm } from "./commands/Put";
import { RotateForm } from "./commands/Rotate";
import { PinForm } from "./pin/Pin";

function several({ uris = [] }: Start): boolean {
  return uris.length > 1;
}

export const FORMS: Partial<Record<FormName, Form>> = {
  put: { title: () => "Put a secret", component: PutForm },
  patch: { title: (start) => (several(start) ? "Change keys of secrets" : "Change keys"), component: PatchForm },
  generate: { title: () => "Have a secret made", component: GenerateForm },
  rotate: { title: () => "Rotate now", component: RotateForm },
  compare: { title: () => "Compare with what is there", component: CompareForm },
  copy: { title: () => "Copy a secret", component: CopyForm },
  import: { title: () => "Import secrets", component: ImportForm },
  verify: { title: (start) => (several(start) ? "Verify secrets" : "Verify"), component: VerifyForm },
  delete: { title: (start) => (several(start) ? `Delete ${start.uris?.length ?? 0} secrets` : "Delete a secret"), component: DeleteForm },
  undelete: { title: (start) => (several(start) ? "Undelete secrets" : "Undelete a secret"), component: UndeleteForm },
  rollback: { title: () => "Roll back", component: RollbackForm },
  label: { title: () => "Labels", component: LabelForm },
  expire: { title: () => "Day of expiry", component: ExpireForm },
  pin: { title: ({ store }) => `The identity of the store “${store ?? ""}”`, component: PinForm, as: "dialog" },
};
