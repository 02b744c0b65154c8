/** The table of forms: one line for each. A form that is not here cannot be opened; its buttons say so. */

import type { Form, FormName } from "../app/forms";

export const FORMS: Partial<Record<FormName, Form>> = {};
