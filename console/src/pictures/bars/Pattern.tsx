/** Stripes over what failed: they say without colour what colour says. */

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
export function KindMark({ kind }: { kind: string }) {
  return (
    <svg class="pic-mark" width="12" height="12" aria-hidden="true">
      <rect class={`pic-kind-${kind}`} width="12" height="12" rx="2" />
      {kind === "failed" && <path class="pic-stripe-line" d="M-2 8 8 -2M2 14 14 2" />}
    </svg>
  );
}
