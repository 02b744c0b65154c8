// What a request can ask for: one row a purpose (docs/protocol.md, Messages).
import { Expect, Outcome, Purpose } from "../messages/secrets/v1/upload_pb.ts";

/** The fields of a request that only some purposes have, by their names in the .proto file. */
export type OwnField =
  | "labels"
  | "expires_on"
  | "keep_labels"
  | "keep_expires_on"
  | "options"
  | "destroy"
  | "remove_keys"
  | "recipes"
  | "destination"
  | "source_version"
  | "keys"
  | "to_version"
  | "list_after";

/** One row. */
export interface PurposeRules {
  /** The outcomes of a request that did not fail. */
  readonly successes: readonly Outcome[];
  /** What the request can expect to be upstream. */
  readonly expects: readonly Expect[];
  /** Its fields besides those that every purpose has. */
  readonly fields: readonly OwnField[];
  /** Whether something is written: STARTED announces that. */
  readonly writes: boolean;
}

const NOTHING = [Expect.UNSPECIFIED] as const;
const CHANGE = [Expect.ANY, Expect.VERSION, Expect.OVERWRITE] as const;
const PUT = [...CHANGE, Expect.ABSENT] as const;
const KEEP = ["keep_labels", "keep_expires_on"] as const;
const NOTES = ["labels", "expires_on", ...KEEP] as const;

function row(
  successes: readonly Outcome[],
  expects: readonly Expect[] = NOTHING,
  fields: readonly OwnField[] = [],
): PurposeRules {
  return { successes, expects, fields, writes: expects !== NOTHING };
}

/** Every purpose that this version knows. */
export const PURPOSES: ReadonlyMap<Purpose, PurposeRules> = new Map([
  [Purpose.UPLOAD, row([Outcome.UPLOADED, Outcome.UNCHANGED], PUT, [...NOTES, "options"])],
  [Purpose.PATCH, row([Outcome.UPLOADED, Outcome.UNCHANGED], CHANGE, ["options", "remove_keys"])],
  [Purpose.COMPARE, row([Outcome.EQUAL, Outcome.DIFFERENT], NOTHING, ["options"])],
  [Purpose.DELETE, row([Outcome.DELETED], CHANGE, ["destroy"])],
  [Purpose.UNDELETE, row([Outcome.UNDELETED], CHANGE)],
  [Purpose.ROLLBACK, row([Outcome.ROLLED_BACK], PUT, ["to_version"])],
  [Purpose.COPY, row([Outcome.COPIED], PUT, ["destination", "source_version", "keys", ...KEEP])],
  [Purpose.GENERATE, row([Outcome.UPLOADED], PUT, [...NOTES, "options", "recipes"])],
  [Purpose.VERIFY, row([Outcome.IN_SYNC, Outcome.DRIFTED, Outcome.GONE])],
  [Purpose.IMPORT, row([Outcome.IMPORTED])],
  [Purpose.LIST, row([Outcome.LISTED], NOTHING, ["list_after"])],
]);

/** Whether a receipt with this outcome fits a request of this purpose. */
export function fits(outcome: Outcome, rules: PurposeRules): boolean {
  return outcome === Outcome.FAILED || (outcome === Outcome.STARTED && rules.writes) || rules.successes.includes(outcome);
}
