/** The table of views that show pictures, stores and events: one line for each, with these ids, which links use:
 * "same-values", "expiring", "activity", "events", "stores", "store", "drift", "status".
 */

import type { View } from "../app/views";
import { ActivityView } from "../views/Activity";
import { Drift } from "../views/Drift";
import { Events } from "../views/Events";
import { Expiring } from "../views/Expiring";
import { SameValues } from "../views/SameValues";
import { StatusView } from "../views/Status";
import { StoreView } from "../views/Store";
import { Stores } from "../views/Stores";

export const PICTURES: readonly View[] = [
  { id: "same-values", title: "Same values", icon: "same", component: SameValues },
  { id: "expiring", title: "Expiring", icon: "calendar", component: Expiring },
  { id: "drift", title: "Drift", icon: "drift", component: Drift },
  { id: "activity", title: "Activity", icon: "activity", component: ActivityView },
  { id: "events", title: "Events", icon: "events", component: Events },
  { id: "stores", title: "Stores", icon: "store", component: Stores },
  { id: "store", title: "", component: StoreView, under: "stores" },
  { id: "status", title: "Status", icon: "status", component: StatusView, administrators: true },
];
