/** Small pictures of one colour, drawn for this page: 16 units square, strokes of 1.5. */

const PATHS = {
  activity: "M1.5 8.5h3l2-5.5 3 10 2-4.5h3",
  alert: "M8 2 1.5 13.5h13zM8 6.5v3M8 11.6v.1",
  arrowDown: "M8 3v10M4 9l4 4 4-4",
  arrowUp: "M8 13V3M4 7l4-4 4 4",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1.3 1.5H2.7zM6.7 14.3h2.6",
  calendar: "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 1.8v3M10.5 1.8v3",
  check: "m3 8.5 3.3 3.3L13 4.8",
  chevronDown: "m4 6 4 4 4-4",
  chevronLeft: "m10 3.5-4.5 4.5 4.5 4.5",
  chevronRight: "M6 3.5 10.5 8 6 12.5",
  clock: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0M8 4.5V8l2.3 1.7",
  compare: "M8 2.5v11M3.5 4.5h9M3.5 4.5 1.8 9h3.4zM12.5 4.5 10.8 9h3.4zM5.5 13.5h5",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  dot: "M8 7.9v.2",
  down: "M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
  drift: "M2 5h3c3 0 3 6 6 6h3M12 9l2 2-2 2M2 11h3c1 0 1.6-.7 2.1-1.500M9 6.500C9.5 5.7 10 5 11 5h3M12 3l2 2-2 2",
  edit: "m10.8 2.7 2.5 2.5-8 8-3.1.6.6-3.100zM9 4.5 11.5 7",
  events: "M5.5 4h8.500M5.5 8h8.500M5.5 12h8.500M2.3 4v.1M2.3 8v.1M2.3 12v.1",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8M10 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0",
  filter: "M2 4h12M4.5 8h7M7 12h2",
  info: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0M8 7.300v3.700M8 5v.1",
  key: "M9.5 6.500a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0M8.5 9l5 5M11 11.500l1.5-1.5",
  lock: "M3.5 7.500h9v6h-9zM5.5 7.500V5a2.5 2.5 0 0 1 5 0v2.5",
  menu: "M2 4h12M2 8h12M2 12h12",
  minus: "M3.5 8h9",
  plus: "M8 3v10M3 8h10",
  refresh: "M13.5 7A5.6 5.6 0 0 0 3.6 4.500L2.5 6M2.5 2.500V6H6M2.5 9a5.6 5.6 0 0 0 9.9 2.500l1.1-1.500M13.5 13.500V10H10",
  rollback: "M3 3v3.500h3.500M3.2 6.200A5.5 5.5 0 1 1 2.5 9",
  same: "M2.5 6h11M2.5 10h11",
  search: "M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0M10.3 10.3 14 14",
  server: "M2.5 2.500h11v4.500h-11zM2.5 9h11v4.500h-11zM5 4.700v.1M5 11.200v.1",
  shield: "M8 1.8 2.8 3.700V8c0 3 2.2 5.2 5.2 6.2 3-1 5.2-3.2 5.2-6.200V3.700z",
  shieldCheck: "M8 1.8 2.8 3.700V8c0 3 2.2 5.2 5.2 6.2 3-1 5.2-3.2 5.2-6.200V3.700zM5.5 8l1.8 1.800L10.7 6",
  shieldOff: "M8 1.8 2.8 3.700V8c0 3 2.2 5.2 5.2 6.2 3-1 5.2-3.2 5.2-6.200V3.700zM6 6l4 4M10 6l-4 4",
  sort: "M5 6.5 8 3.500l3 3M5 9.500l3 3 3-3",
  status: "M2 12.500A6.5 6.5 0 1 1 14 12.500M8 9.500l3-3.500M8 9.500v.1",
  store: "M13.5 4c0 1.2-2.5 2.2-5.5 2.200S2.5 5.2 2.5 4 5 1.8 8 1.8 13.5 2.8 13.5 4M2.5 4v8c0 1.2 2.5 2.2 5.5 2.200s5.5-1 5.5-2.200V4M2.5 8c0 1.2 2.5 2.2 5.5 2.200s5.5-1 5.5-2.2",
  tag: "M2.5 2.500h5l6 6-5 5-6-6zM5.3 5.300v.1",
  trash: "M2.5 4h11M6 4V2.300h4V4M4 4l.6 9.500h6.800L12 4M6.7 6.800v4M9.3 6.800v4",
  undo: "M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6",
  up: "M8 10.500V2.500M4.8 5.5 8 2.300l3.2 3.200M2.5 13.500h11",
  user: "M10.7 5.200a2.7 2.7 0 1 1-5.4 0 2.7 2.7 0 0 1 5.4 0M2.8 14c.3-3 2.4-4.5 5.2-4.500s4.9 1.5 5.2 4.5",
  wand: "m2.5 13.5 7-7M11 2v3M9.5 3.500h3M13 8v2.400M11.8 9.200h2.400M5.5 2.500v2.400M4.3 3.700h2.4",
  x: "m4 4 8 8M12 4l-8 8",
} as const;

export type IconName = keyof typeof PATHS;

/** One small picture. Without `label` it says nothing to screen readers: words stand beside it. */
export function Icon({ name, label, class: extra }: { name: IconName; label?: string; class?: string }) {
  const hidden = label === undefined;
  return (
    <svg class={`icon ${extra ?? ""}`} viewBox="0 0 16 16" role={hidden ? undefined : "img"} aria-label={label} aria-hidden={hidden ? "true" : undefined} focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
