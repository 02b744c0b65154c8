/** The table of views: what stands in the navigation, and what is shown there. One line for each. */

import type { ComponentType } from "preact";
import type { Place } from "./navigation";

export interface View {
  /** Its name in `Place.view`. */
  id: string;
  /** In the navigation; "" for views that are reached from others. */
  title: string;
  component: ComponentType<{ place: Place }>;
  /** Whether the navigation shows it to administrators alone. */
  administrators?: boolean;
}

export const VIEWS: readonly View[] = [];
