/** The history of a secret as entries of a picture: what happened, and what was upstream from then on. Pure. */

import type { Version } from "../../api/documents/secrets";
import type { IconName } from "../../parts";

export interface Entry {
  version: Version;
  icon: IconName;
  look: "written" | "removed" | "noted" | "kept";
  /** What happened, in words, e.g. "Put as version 7". */
  title: string;
  /** The hash of what was upstream from then on; "" for nothing; null if that is not known. */
  content: string | null;
  /** Whether the user may want to write it again: it is an earlier version than the one that is there. */
  earlier: boolean;
}

/** Make entries of versions, the newest first as they come. `current` is the version that is upstream now, "" for none. */
export function entriesOf(versions: readonly Version[], current: string, short: (version: string) => string): Entry[] {
  let content: string | null = null;
  const upwards = [...versions].reverse().map((version) => {
    content = contentAfter(version, content);
    return { version, content, ...told(version, short), earlier: isEarlier(version, current) };
  });
  return upwards.reverse();
}

function contentAfter(version: Version, before: string | null): string | null {
  if (version.outcome === "DELETED") return "";
  if (version.outcome === "EDITED") return before;
  return version.hash === "" ? null : version.hash;
}

function isEarlier({ outcome, upstream_version }: Version, current: string): boolean {
  return upstream_version !== "" && upstream_version !== current && outcome !== "DELETED" && outcome !== "EDITED";
}

function told(version: Version, short: (version: string) => string): Pick<Entry, "icon" | "look" | "title"> {
  const number = version.upstream_version === "" ? "" : short(version.upstream_version);
  const as = number === "" ? "" : ` as version ${number}`;
  switch (version.outcome) {
    case "UPLOADED":
      return { ...written(version.purpose, as), look: "written" };
    case "UNCHANGED":
      return { icon: "same", look: "kept", title: "Put again: the same content was there" };
    case "IMPORTED":
      return { icon: "down", look: "written", title: `Imported${as}` };
    case "DELETED":
      return { icon: "trash", look: "removed", title: "Deleted" };
    case "UNDELETED":
      return { icon: "undo", look: "written", title: number === "" ? "Undeleted" : `Undeleted: version ${number} is back` };
    case "ROLLED_BACK":
      return { icon: "rollback", look: "written", title: `Rolled back${as}` };
    case "EDITED":
      return { icon: "tag", look: "noted", title: `Notes edited: ${version.edit}` };
    default:
      return { icon: "dot", look: "noted", title: `${version.outcome}${as}` };
  }
}

function written(purpose: string, as: string): Pick<Entry, "icon" | "title"> {
  if (purpose === "GENERATE") return { icon: "wand", title: `Generated${as}` };
  if (purpose === "PATCH") return { icon: "edit", title: `Some keys changed${as}` };
  return { icon: "up", title: `Put${as}` };
}
