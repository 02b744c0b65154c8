/** The session, who the user is, and what the live stream tells.
 *
 * The live stream: `POST /api/live` {}, one JSON object a line.
 */

import type { Failure, RotationStep } from "./sending";
import type { Event, SecretsPage } from "./shown";

/** `begin` {token}: the one call without a session, and the one that is not sealed. `token` is the name of the link's token, not the token. It
 * works once. The answer has `key`, too, which call.ts keeps for itself.
 *
 * 401 is the console's own answer, with one of three codes that no command has: "SESSION_ENDED"; "LINK_ENDED" (too old, none of ours, or the page was
 * loaded again); "LINK_USED": somebody used the link before, and the session that it began has ended now. Say that loudly.
 */
export interface Session {
  session: string;
  me: Me;
  /** What `secrets` {} answers at this moment, so that the first view needs no further call. */
  first?: SecretsPage;
}

/** `key` is "SHA256:…", "" if none is set or it cannot be read: then `trouble` says why. `touch`: it lives in a security key. */
export interface SignsWith {
  key: string;
  /** Whom its certificate names, "" without one. */
  principal: string;
  touch: boolean;
  trouble: string;
}

/** What a role binding gives to the caller: rights below one prefix. */
interface May {
  prefix: string;
  rights: string[];
  role_binding: string;
}

/** `whoami` {}: who the caller is to m8. m8's word. */
export interface Me {
  subject: string;
  /** "user", "administrator" or "auditor". */
  role: string;
  prefixes: string[];
  /** E.g. "put", "see-hash". */
  rights: string[];
  /** Of m8's own token. A login is renewed by itself, as `login` says. */
  expires: string;
  /** With role bindings: the groups that count, and what is allowed below which prefix. Rights of two prefixes do not add up. */
  groups: string[];
  may: May[];
  /** Where the credential comes from, e.g. "the login at https://…". */
  credential: string;
  /** "renewed": a login that monoctl renews by itself; "once": one that ends with `expires`; "": no login. */
  login: string;
  server: string;
  /** The context of the settings that counts, "" for none. */
  context: string;
  m8_version: string;
  monoctl_version: string;
  /** The key that signs requests, for stores that take signed ones alone. */
  signs_with: SignsWith;
  /** "" while m8 answers, else the sentence that says what is wrong: then all of the above but server may be empty. */
  away: string;
}

export type Live =
  | { kind: "event"; event: Event }
  /** m8 answers again, or does not. `stop`: its log does not hold, and the page stops for good. */
  | { kind: "m8"; away: string; stop: Failure | null }
  /** The listing has changed: ask again for what is on the screen. */
  | { kind: "secrets"; loaded: number; complete: boolean }
  /** A request of this console went on: "ASKING", "SIGNING" if the store takes signed requests alone, "SENT" or "ENDED". With `touch` the user has
   * to touch a security key now. */
  | { kind: "progress"; uri: string; request_id: string; stage: string; end: string; touch: boolean }
  /** A rotation of this console has begun a step. */
  | { kind: "step"; uri: string; step: RotationStep }
  /** How people are shown whose names are known, by their ids. */
  | { kind: "people"; shown: Record<string, string> }
  /** A sentence for the user. */
  | { kind: "note"; text: string }
  /** Nothing happened for a while; the connection lives. */
  | { kind: "tick" };
