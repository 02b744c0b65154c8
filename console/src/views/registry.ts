/** The table of views: what stands in the navigation, in this order, and what is shown there. One line for each, with the id that links use. */

import type { ComponentType } from "preact";
import type { IconName } from "../parts/Icon";
import type { Place } from "../state/navigation";
import { ActivityView } from "./Activity";
import { Approvals } from "./approvals/Approvals";
import { ChangeView } from "./approvals/ChangeView";
import { Drift } from "./drift/Drift";
import { Events } from "./Events";
import { Expiring } from "./Expiring";
import { RoleBindings } from "./RoleBindings";
import { SameValues } from "./SameValues";
import { SecretView } from "./secret/Secret";
import { Secrets } from "./secrets/Secrets";
import { StatusView } from "./status/Status";
import { Stores, StoreView } from "./stores/Stores";
import { UploadView } from "./upload/Upload";

interface View {
  /** Its name in `Place.view`. */
  id: string;
  /** In the navigation; "" for views that are reached from others. */
  title: string;
  icon?: IconName;
  component: ComponentType<{ place: Place }>;
  /** Whether the navigation shows it to administrators and auditors alone. */
  administrators?: boolean;
  /** For a view that is reached from others: the id of the view under which it stands in the navigation. */
  under?: string;
}

export const VIEWS: readonly View[] = [
  { id: "secrets", title: "Secrets", icon: "key", component: Secrets },
  { id: "secret", title: "", component: SecretView, under: "secrets" },
  { id: "upload", title: "", component: UploadView, under: "secrets" },
  { id: "approvals", title: "Approvals", icon: "check", component: Approvals },
  { id: "change", title: "", component: ChangeView, under: "approvals" },
  { id: "same-values", title: "Same values", icon: "same", component: SameValues },
  { id: "expiring", title: "Expiring", icon: "calendar", component: Expiring },
  { id: "drift", title: "Drift", icon: "drift", component: Drift },
  { id: "activity", title: "Activity", icon: "activity", component: ActivityView },
  { id: "events", title: "Events", icon: "events", component: Events },
  { id: "stores", title: "Stores", icon: "store", component: Stores },
  { id: "store", title: "", component: StoreView, under: "stores" },
  { id: "role-bindings", title: "Role bindings", icon: "user", component: RoleBindings, administrators: true },
  { id: "status", title: "Status", icon: "status", component: StatusView, administrators: true },
];
