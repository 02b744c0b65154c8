/** Hashes: short to read, whole to copy, with a small pattern that is equal where the hash is equal. */

import { CopyButton } from "../controls/Button";

/** The part of a hash by which people tell it from others: the beginning of its digest. */
function shortHash(hash: string): string {
  const digest = hash.slice(hash.lastIndexOf(":") + 1);
  return digest.length > 10 ? `${digest.slice(0, 8)}…` : digest;
}

/** The class that gives one of six colours, the same for the same hash. */
export function hueOf(hash: string): string {
  const digest = hash.slice(hash.lastIndexOf(":") + 1);
  const hue = parseInt(digest.slice(15, 17), 16) % 6;
  return `hue-${Number.isNaN(hue) ? 0 : hue}`;
}

/** A pattern of 5 × 5 squares, mirrored, made from the hash. It helps to see equal ones; only the whole hash decides. */
function Marker({ hash }: { hash: string }) {
  const digest = hash.slice(hash.lastIndexOf(":") + 1);
  const squares: string[] = [];
  for (let at = 0; at < 15; at += 1) {
    if (parseInt(digest.charAt(at), 16) % 2 !== 0) continue;
    const column = Math.floor(at / 5);
    const row = at % 5;
    squares.push(`M${column} ${row}h1v1h-1z`);
    if (column < 2) squares.push(`M${4 - column} ${row}h1v1h-1z`);
  }
  return (
    <svg class={`marker ${hueOf(hash)}`} viewBox="0 0 5 5" aria-hidden="true" focusable="false">
      <path d={squares.join("")} />
    </svg>
  );
}

interface HashProps {
  hash: string;
  /** Show all of it. */
  whole?: boolean;
  /** With a button that copies all of it. */
  copy?: boolean;
}

export function Hash({ hash, whole = false, copy = false }: HashProps) {
  if (hash === "") return <span class="faint" title="Hashes are shown to users with the right “see-hash”.">not shown</span>;
  return (
    <span class="hash">
      <Marker hash={hash} />
      <code title={hash} class={whole ? "" : "short"}>{whole ? hash : shortHash(hash)}</code>
      {copy && <CopyButton text={hash} what="hash" />}
    </span>
  );
}
