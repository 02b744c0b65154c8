/** Why a command cannot be given, in words: what the credential does not allow, and what the store cannot do.
 *
 * m8 and the store's reactor decide. This only spares the user a refusal, so what is not known counts as possible.
 */

import type { Me } from "../api/documents/session";
import type { Capability, Reactor, Store } from "../api/documents/shown";
import { isBelow } from "../parts";
import type { FormName } from "../state/openForm";

/** The rights that each command takes at the secret's place (docs/concepts.md). */
const RIGHTS: Record<FormName, readonly string[]> = {
  put: ["put"],
  generate: ["put"],
  rotate: ["put", "compare", "copy", "see-hash"],
  patch: ["put", "see-hash"],
  import: ["put", "see-hash"],
  compare: ["compare"],
  verify: ["compare"],
  copy: ["copy", "see-hash"],
  delete: ["delete"],
  label: ["put"],
  expire: ["put"],
  undelete: ["undelete", "see-hash"],
  rollback: ["rollback", "see-hash"],
  pin: [],
};

/** Return what tells whether a reactor can do something. */
const can = (word: Capability) => (reactor: Reactor): boolean => reactor.capabilities.includes(word);

const copies = (reactor: Reactor): boolean => can("readable")(reactor) && reactor.copies_to.length > 0;
const COPIES_NOWHERE = "copies nowhere: its operator has allowed no store.";

/** What a store's reactors must have announced, and what is said if none has. */
const ABILITIES: Partial<Record<FormName, readonly [(reactor: Reactor) => boolean, string]>> = {
  patch: [can("patchable"), "cannot change some keys and leave the others. Put the whole secret."],
  import: [can("readable"), "cannot read what others put into its engine, so nothing can be imported."],
  copy: [copies, COPIES_NOWHERE],
  rotate: [copies, COPIES_NOWHERE],
  delete: [(reactor) => can("deletable")(reactor) || can("soft_delete")(reactor), "deletes nothing."],
  undelete: [can("undeletable"), "cannot bring back what was deleted."],
  rollback: [can("rollbackable"), "cannot write an earlier version again."],
};

/** Whether the caller is administrator or auditor, and no user besides. */
export function putsNothing(me: Me): boolean {
  return (me.role === "administrator" || me.role === "auditor") && me.rights.length === 0;
}

/** Say why the credential does not allow a command; "" if it does. */
export function notAllowed(command: FormName, me: Me): string {
  if (me.role === "") return "";
  if (putsNothing(me) && command !== "pin")
    return me.role === "auditor"
      ? "You are signed in as an auditor. Auditors see what happened, and change nothing."
      : "You are signed in as an administrator. Administrators manage stores; users put secrets.";
  const missing = RIGHTS[command].filter((right) => !me.rights.includes(right));
  if (missing.length === 0) return "";
  const named = missing.map((right) => `“${right}”`).join(" and ");
  const isMember = me.login !== "" || me.may.some((one) => one.role_binding !== "");
  return `You have no right ${named}. Ask an administrator for a ${isMember ? "role binding" : "token"} with it.`;
}

/** Say why a store cannot do a command; "" if it can, or if that is not known. */
export function notAble(command: FormName, store: Store): string {
  // Notes are m8's alone: no store is asked.
  if (command === "label" || command === "expire") return "";
  if (!store.active) return `The store ${store.name} is not active. Ask an administrator.`;
  const ability = ABILITIES[command];
  const attached = store.reactors.filter((reactor) => reactor.attached);
  if (ability === undefined || attached.length === 0 || attached.some(ability[0])) return "";
  return `The store ${store.name} ${ability[1]}`;
}

/** Say why a store may not do now what the user asks; "" if it is ready. It is no reason not to try. */
export function notReady(store: Store, me: Me): string {
  if (!store.reactors.some((reactor) => reactor.attached)) return "No reactor of this store is connected: what you send now will fail.";
  if (store.engine === "refused") return "The engine behind this store refuses its reactor. What you send now will fail: ask the store’s operator first.";
  if (store.engine === "unavailable") return "The engine behind this store does not answer. What you send now will fail.";
  if (hasSignersTrouble(store)) return "This store cannot use its own list of signers: it may refuse what you send now. Ask the store’s operator first.";
  if (takesSigned(store) && me.signs_with.key === "")
    return `This store takes signed requests, and this console has no key that signs. ${me.signs_with.trouble || "Run monoctl config set signing_key FILE, and start the console again."}`;
  return "";
}

/** Whether a reactor of the store acts on signed requests alone. */
export function takesSigned(store: Store): boolean {
  return store.reactors.some((one) => one.attached && can("signatures")(one));
}

/** Whether a reactor of the store cannot use one of its lists of signers. */
export function hasSignersTrouble(store: Store): boolean {
  return store.reactors.some((one) => one.attached && one.signers_trouble);
}

/** Whether any reactor that is attached announced something; null if none is attached. */
export function announced(store: Store, word: Capability): boolean | null {
  const attached = store.reactors.filter((reactor) => reactor.attached);
  return attached.length === 0 ? null : attached.some(can(word));
}

/** Say that a URI lies outside of what the credential reaches; "" if it does not. */
export function outside(uri: string, me: Me): string {
  if (me.prefixes.length === 0 || me.prefixes.some((prefix) => isBelow(uri, prefix))) return "";
  return `Your credential reaches only what lies below ${me.prefixes.join(", ")}.`;
}
