/** The table of views that show pictures, stores and events: one line for each, with these ids, which links use:
 * "same-values", "expiring", "activity", "events", "stores", "store", "drift", "status".
 */

import type { View } from "../app/views";

export const PICTURES: readonly View[] = [];
