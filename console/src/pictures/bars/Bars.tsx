/** What happened over time, as bars with their patterns, their legend, and the same as a table.
 *
 * Stripes over what failed: they say without colour what colour says.
 * Bars over time, stacked by kind: successes upwards, failures downwards, so that they stand out without their colour.
 * What the bars show, as a table: for screen readers, and for everybody who wants the numbers.
 */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Activity } from "../../api/documents/pictures";
import { lazy } from "../../parts/words/Time";
import { useRem } from "../useRem";
import { byKind, counted, type Counts, endWords, type Kind, KIND_WORDS, kindOf, KINDS, roundUp, total } from "../words/outcomes";

const HOUR = 3_600_000;

const AT_HOUR = lazy(() => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }));
const ON_DAY = lazy(() => new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }));
const ON_WEEKDAY = lazy(() => new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" }));

/** Return a bar for each span; about eight of them have a tick. */
export function barsOf(buckets: Activity["buckets"]): Bar[] {
  const starts = buckets.map((bucket) => Date.parse(bucket.from));
  const length = buckets.length > 1 ? (starts[1] ?? 0) - (starts[0] ?? 0) : HOUR;
  const hours = length < 23 * HOUR;
  const every = Math.max(1, Math.ceil(buckets.length / 8));
  return buckets.map((bucket, at) => {
    const from = starts[at] ?? 0;
    const title = hours ? `${ON_DAY().format(from)}, ${AT_HOUR().format(from)} to ${AT_HOUR().format(from + length)}` : ON_WEEKDAY().format(from);
    const ticked = (buckets.length - 1 - at) % every === 0;
    return { title, tick: ticked ? (hours ? AT_HOUR : ON_DAY)().format(from) : "", spare: (buckets.length - 1 - at) % (every * 2) !== 0, counts: byKind(bucket.outcomes) };
  });
}

export function Pattern({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="pic-stripe" width="2" height="6" />
      </pattern>
    </defs>
  );
}

/** The mark of a kind in a legend: a square of its colour, striped for what failed. */
function KindMark({ kind }: { kind: string }) {
  return (
    <svg class="pic-mark" width="12" height="12" aria-hidden="true">
      <rect class={`pic-kind-${kind}`} width="12" height="12" rx="2" />
      {kind === "failed" && <path class="pic-stripe-line" d="M-2 8 8 -2M2 14 14 2" />}
    </svg>
  );
}

interface Bar {
  /** In full, e.g. "26 Nov, 14:00 to 15:00". */
  title: string;
  /** Below the axis; "" for none. */
  tick: string;
  /** Whether narrow screens leave the tick out. */
  spare: boolean;
  counts: Counts;
}

const UP: readonly Kind[] = KINDS.filter((kind) => kind !== "failed");
/** The height of all bars in rem, and the least of one in pixels. */
const HEIGHT = 13.5;
const LEAST = 3;

/** How far up and down the axis goes, and what a pixel is worth. */
function scaleOf(bars: readonly Bar[], height: number): { up: number; down: number; perOne: number } {
  const up = roundUp(Math.max(0, ...bars.map((bar) => total(bar.counts) - bar.counts.failed)));
  const failed = Math.max(0, ...bars.map((bar) => bar.counts.failed));
  const down = failed === 0 ? 0 : roundUp(failed);
  return { up, down, perOne: height / (up + down) };
}

/** Say a bar in words: "14:00 to 15:00: 3 written, 1 failed". */
function barWords(bar: Bar): string {
  const said = KINDS.filter((kind) => bar.counts[kind] > 0).map((kind) => `${bar.counts[kind].toLocaleString("en")} ${KIND_WORDS[kind].title.toLowerCase()}`);
  return `${bar.title}: ${said.join(", ") || "nothing"}`;
}

/** `name` says what the picture shows. The arrow keys go from bar to bar; what a bar says stands below. */
export function Bars({ bars, name }: { bars: readonly Bar[]; name: string }) {
  const [at, setAt] = useState<number | null>(null);
  const [stop, setStop] = useState(Math.max(0, bars.length - 1));
  const rem = useRem();
  const height = HEIGHT * rem;
  const { up, down, perOne } = scaleOf(bars, height);
  const axis = Math.round(up * perOne) + 8;
  const width = 100 / Math.max(1, bars.length);
  // The bars downward end here; their number stands below them, and the hours below that.
  const floor = height + 9;
  const below = floor + (down > 0 ? 1.1 : 0) * rem;
  const shown = at === null ? undefined : bars[at];
  const tabStop = Math.min(stop, bars.length - 1);

  function onKeyDown(event: KeyboardEvent & { currentTarget: SVGSVGElement }): void {
    const to = { ArrowLeft: tabStop - 1, ArrowRight: tabStop + 1, Home: 0, End: bars.length - 1 }[event.key];
    if (to === undefined || to < 0 || to >= bars.length) return;
    event.preventDefault();
    setStop(to);
    event.currentTarget.querySelectorAll<SVGGElement>("[data-bar]")[to]?.focus();
  }

  return (
    <figure class="pic-bars">
      <svg class="pic-bars-drawn" width="100%" height={below + 2.3 * rem} role="group" aria-label={name} onKeyDown={onKeyDown} onMouseLeave={() => setAt(null)}>
        <Pattern id="pic-stripes" />
        <line class="pic-grid" x1="0" x2="100%" y1="8" y2="8" />
        <line class="pic-grid" x1="0" x2="100%" y1={(8 + axis) / 2} y2={(8 + axis) / 2} />
        {bars.map((bar, index) => (
          <BarGroup key={bar.title} bar={bar} index={index} isAt={index === at} isStop={index === tabStop} onAt={setAt} onStop={setStop}>
            <rect class="pic-bar-ground" x={`${index * width}%`} width={`${width}%`} y="0" height={height + 16} />
            <Stack counts={bar.counts} x={index * width + width * 0.14} width={width * 0.72} axis={axis} perOne={perOne} />
          </BarGroup>
        ))}
        <line class="pic-axis" x1="0" x2="100%" y1={axis} y2={axis} />
        <text class="pic-number" x="2" y={8 + 0.9 * rem} aria-hidden="true">{up.toLocaleString("en")}</text>
        {down > 0 && <text class="pic-number pic-number-failed" x="2" y={floor + rem} aria-hidden="true">{`${down.toLocaleString("en")} failed`}</text>}
        <Ticks bars={bars} width={width} y={below + 1.8 * rem} />
      </svg>
      <figcaption class="pic-readout">{shown === undefined ? `${counted(bars.reduce((sum, bar) => sum + total(bar.counts), 0), "request")} ended. Point at a bar, or use the arrow keys.` : barWords(shown)}</figcaption>
    </figure>
  );
}

interface BarGroupProps {
  bar: Bar;
  index: number;
  /** Whether the pointer or the focus is at it. */
  isAt: boolean;
  /** Whether Tab comes to it. */
  isStop: boolean;
  onAt: (index: number | null) => void;
  onStop: (index: number) => void;
  children: ComponentChildren;
}

/** One bar as a thing that can be pointed at, have the focus and be read aloud. */
function BarGroup({ bar, index, isAt, isStop, onAt, onStop, children }: BarGroupProps) {
  return (
    <g
      class={isAt ? "pic-bar pic-bar-at" : "pic-bar"}
      data-bar={index}
      role="img"
      aria-label={barWords(bar)}
      tabIndex={isStop ? 0 : -1}
      onMouseEnter={() => onAt(index)}
      onFocus={() => (onAt(index), onStop(index))}
      onBlur={() => onAt(null)}
    >
      {children}
    </g>
  );
}

/** What stands below the axis. `width` is that of a bar in percent. */
function Ticks({ bars, width, y }: { bars: readonly Bar[]; width: number; y: number }) {
  return (
    <>
      {bars.map((bar, index) => bar.tick !== "" && (
        <text key={bar.title} class={bar.spare ? "pic-tick pic-tick-spare" : "pic-tick"} x={`${(index + 0.5) * width}%`} y={y} text-anchor="middle" aria-hidden="true">{bar.tick}</text>
      ))}
    </>
  );
}

function Stack({ counts, x, width, axis, perOne }: { counts: Counts; x: number; width: number; axis: number; perOne: number }) {
  let y = axis;
  const high = (count: number) => Math.max(LEAST, count * perOne);
  const failed = counts.failed === 0 ? 0 : high(counts.failed);
  return (
    <>
      {UP.map((kind) => {
        if (counts[kind] === 0) return null;
        const height = high(counts[kind]);
        y -= height;
        return <rect key={kind} class={`pic-kind-${kind}`} x={`${x}%`} width={`${width}%`} y={y} height={Math.max(1, height - 1)} />;
      })}
      {failed > 0 && <rect class="pic-kind-failed" x={`${x}%`} width={`${width}%`} y={axis + 1} height={failed} />}
      {failed > 0 && <rect class="pic-striped" x={`${x}%`} width={`${width}%`} y={axis + 1} height={failed} fill="url(#pic-stripes)" />}
    </>
  );
}

export function BarsTable({ bars }: { bars: readonly Bar[] }) {
  const kinds = KINDS.filter((kind) => bars.some((bar) => bar.counts[kind] > 0));
  return (
    <details class="pic-numbers">
      <summary>The numbers as a table</summary>
      <div class="pic-scroll" tabIndex={0} role="group" aria-label="The numbers">
        <table class="pic-numbers-table">
          <caption class="unseen">How many requests ended how, by time</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {kinds.map((kind) => <th key={kind} scope="col" class="pic-figure">{KIND_WORDS[kind].title}</th>)}
            </tr>
          </thead>
          <tbody>
            {bars.filter((bar) => total(bar.counts) > 0).map((bar) => (
              <tr key={bar.title}>
                <th scope="row">{bar.title}</th>
                {kinds.map((kind) => <td key={kind} class="pic-figure">{bar.counts[kind].toLocaleString("en")}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

/** `brief` leaves the outcomes out. */
export function Legend({ outcomes, brief = false }: { outcomes: Record<string, number>; brief?: boolean }) {
  const kinds = KINDS.map((kind) => ({
    kind,
    outcomes: Object.entries(outcomes)
      .filter(([outcome, count]) => count > 0 && kindOf(outcome) === kind)
      .sort(([, a], [, b]) => b - a),
  })).filter((one) => one.outcomes.length > 0);
  if (kinds.length === 0) return null;
  return (
    <ul class={brief ? "pic-legend pic-legend-brief" : "pic-legend"}>
      {kinds.map(({ kind, outcomes: some }) => (
        <li key={kind} class={kind === "failed" ? "pic-legend-kind pic-legend-failed" : "pic-legend-kind"} title={KIND_WORDS[kind].meaning}>
          <KindMark kind={kind} />
          <span class="pic-legend-title">{KIND_WORDS[kind].title}</span>
          <strong class="pic-legend-count">{some.reduce((sum, [, count]) => sum + count, 0).toLocaleString("en")}</strong>
          {!brief && <ul class="pic-legend-outcomes">
            {some.map(([outcome, count]) => (
              <li key={outcome}>
                <span>{endWords(outcome).replace(/^failed: /, "")}</span>
                <span class="pic-figure" aria-label={counted(count, "request")}>{count.toLocaleString("en")}</span>
              </li>
            ))}
          </ul>}
        </li>
      ))}
    </ul>
  );
}
