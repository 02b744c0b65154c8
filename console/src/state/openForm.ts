/** Forms open over the view that the user is in. What each form is stands in forms/registry.ts. */

import type { ComponentType } from "preact";
import { cell } from "./cell";

export type FormName =
  | "put"
  | "patch"
  | "generate"
  | "rotate"
  | "compare"
  | "copy"
  | "import"
  | "verify"
  | "delete"
  | "undelete"
  | "rollback"
  | "label"
  | "expire"
  | "pin";

/** What a form begins with: from one secret, from a selection, or from nothing. */
export interface Start {
  uri?: string;
  uris?: string[];
  store?: string;
  prefix?: string;
  /** The keys that a form begins with: those that get new values, or those to compare. */
  keys?: string[];
  /** For a roll back: the version to write again. */
  version?: string;
}

export interface FormProps {
  start: Start;
  /** Close the form. It asks first if there is something unsent. */
  close: () => void;
  /** Give what says what is unsent at the moment of its call, e.g. "The values are not sent yet."; null for nothing. Then closing asks. */
  setUnsent: (what: () => string | null) => void;
}

export interface Form {
  title: (start: Start) => string;
  component: ComponentType<FormProps>;
  /** "panel" stands at the side (the default), "dialog" in the middle. */
  as?: "panel" | "dialog";
}

export interface Opened {
  name: FormName;
  start: Start;
  /** Another each time, so that a form that is opened again is new. */
  id: number;
}

/** The form that is open. */
export const opened = cell<Opened | null>(null);

let count = 0;

/** Open a form over the view. */
export function openForm(name: FormName, start: Start = {}): void {
  count += 1;
  opened.set({ name, start, id: count });
}
