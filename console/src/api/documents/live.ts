/** The live stream: `POST /api/live` {}, one JSON object a line. */

import type { Event } from "./requests";

export type Live =
  | { kind: "event"; event: Event }
  /** m8 answers again, or does not. */
  | { kind: "m8"; away: string }
  /** The listing has changed: ask again for what is on the screen. */
  | { kind: "secrets"; loaded: number; complete: boolean }
  /** A request of this console went on: "ASKING", "SENT" or "ENDED". */
  | { kind: "progress"; uri: string; request_id: string; stage: string; end: string }
  /** A sentence for the user. */
  | { kind: "note"; text: string }
  /** Nothing happened for a while; the connection lives. */
  | { kind: "tick" };
