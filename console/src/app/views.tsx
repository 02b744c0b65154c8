/** The table of views: what stands in the navigation, and what is shown there. One line for each. */

import type { ComponentType } from "preact";
import type { IconName } from "../parts/Icon";
import { PICTURES } from "../pictures/views";
import { SecretView } from "../views/Secret";
import { Secrets } from "../views/Secrets";
import { UploadView } from "../views/Upload";
import type { Place } from "./navigation";

export interface View {
  /** Its name in `Place.view`. */
  id: string;
  /** In the navigation; "" for views that are reached from others. */
  title: string;
  icon?: IconName;
  component: ComponentType<{ place: Place }>;
  /** Whether the navigation shows it to administrators alone. */
  administrators?: boolean;
  /** For a view that is reached from others: the id of the view under which it stands in the navigation. */
  under?: string;
}

export const VIEWS: readonly View[] = [
  { id: "secrets", title: "Secrets", icon: "key", component: Secrets },
  { id: "secret", title: "", component: SecretView, under: "secrets" },
  { id: "upload", title: "", component: UploadView, under: "secrets" },
  ...PICTURES,
];
