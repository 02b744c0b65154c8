/** One event in words: when, what, where, who. */

import type { Event } from "../../api/documents/requests";
import { exact, Link, Uri } from "../../parts";
import { go } from "../../state/navigation";
import { clock } from "../words/days";
import { isKnown, SIGNS, tell } from "./sentences";

/** How the cause of an event is named: "reactor/vault/0a1b2c3d" is a reactor, "m8" is m8, all else is a person's or a program's credential. */
export function actorWords(actor: string): string {
  const reactor = /^reactor\/([^/]+)\/(.+)$/.exec(actor);
  if (reactor !== null) return `reactor of ${reactor[1]}`;
  return actor === "m8" ? "m8 itself" : actor;
}

export function EventRow({ event, today }: { event: Event; today: string }) {
  const { mood, text } = tell(event);
  return (
    <div class={`pic-event pic-event-${mood}`}>
      <span class="pic-event-sign" aria-hidden="true">{SIGNS[mood]}</span>
      <time class="pic-event-time" dateTime={event.recorded_at} title={exact(event.recorded_at)}>{clock(event.recorded_at, today)}</time>
      <span class="pic-event-text" title={text}>
        {event.request_id === "" ? text : <Link at={`event ${event.position}`} label={`${text}: open the request`} onClick={() => go({ view: "upload", requestId: event.request_id })}>{text}</Link>}
      </span>
      <span class="pic-event-where">
        {event.uri !== "" && <Uri uri={event.uri} />}
      </span>
      <span class="pic-event-who" title={event.actor}>{actorWords(event.actor)}</span>
      <span class={isKnown(event.type) ? "pic-event-type" : "pic-event-type pic-event-unknown"} title={`${event.type}, position ${event.position} of the log`}>{event.type}</span>
    </div>
  );
}
