/** A figure that an operator reads from across the room, with what it means below. It links where there is more to see. */

import type { ComponentChildren } from "preact";
import { Icon, type Tone } from "../../parts";
import { TONE_ICONS } from "../../pictures/stores/health";
import type { Place } from "../../state/navigation";
import { go } from "../../state/navigation";

interface TileProps {
  title: string;
  figure: string;
  tone?: Tone;
  place?: Place;
  children?: ComponentChildren;
}

export function Tile({ title, figure, tone = "plain", place, children }: TileProps) {
  const content = (
    <>
      <span class="pic-tile-title">{title}</span>
      <span class="pic-tile-figure">
        {tone !== "plain" && <Icon name={TONE_ICONS[tone]} />}
        {figure}
      </span>
      <span class="pic-tile-below">{children}</span>
    </>
  );
  if (place === undefined) return <div class={`pic-tile pic-tone-${tone}`}>{content}</div>;
  return (
    <button type="button" role="link" data-at={`tile ${title}`} class={`pic-tile pic-tile-link pic-tone-${tone}`} onClick={() => go(place)}>
      {content}
    </button>
  );
}
