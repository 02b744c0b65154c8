/** The live stream: `POST /api/live` {}, one JSON object a line. */

import type { Failure } from "./failure";
import type { Event } from "./requests";

export type Live =
  | { kind: "event"; event: Event }
  /** m8 answers again, or does not. `stop`: its log does not hold, and the page stops for good. */
  | { kind: "m8"; away: string; stop: Failure | null }
  /** The listing has changed: ask again for what is on the screen. */
  | { kind: "secrets"; loaded: number; complete: boolean }
  /** A request of this console went on: "ASKING", "SIGNING" if the store takes signed requests alone, "SENT" or "ENDED". With `touch` the user has
   * to touch a security key now. */
  | { kind: "progress"; uri: string; request_id: string; stage: string; end: string; touch: boolean }
  /** A sentence for the user. */
  | { kind: "note"; text: string }
  /** Nothing happened for a while; the connection lives. */
  | { kind: "tick" };
