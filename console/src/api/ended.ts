/** Whether the `monoctl` that served this page is still there. Once it has ended, whoever listens at its port is somebody else.
 *
 * The open live stream is the sign of life: nobody else can go on with that connection. Without it, an answer without
 * proof means the end, and so does silence for `PATIENCE_MS`.
 */

/** How long the page goes on without a sign of life. The live stream is opened again several times within it. */
export const PATIENCE_MS = 5_000;

let ended = false;
let alive = true;
let doubted: ReturnType<typeof setTimeout> | undefined;
const handlers = new Set<() => void>();

/** Whether it has ended. It does not come back: nothing is sent any more, and only another page can go on. */
export function hasEnded(): boolean {
  return ended;
}

/** Have `handler` called once when it has ended; at once if it has already. Whoever holds a value in a field erases it then. Returns what takes the handler back. */
export function onEnded(handler: () => void): () => void {
  if (ended) handler();
  else handlers.add(handler);
  return () => void handlers.delete(handler);
}

/** Whether it showed a sign of life last: a value is sent then alone, so that what became of it is known. */
export function isAlive(): boolean {
  return alive && !ended;
}

/** An answer was proven: it is there. */
export function seen(): void {
  clearTimeout(doubted);
  doubted = undefined;
}

/** The live stream began, with a proof. */
export function opened(): void {
  alive = true;
  seen();
}

/** The live stream ended. */
export function closed(): void {
  alive = false;
  silent();
}

/** Nothing answered. While the live stream is open, it was a mishap. */
export function silent(): void {
  if (!alive && !ended) doubted ??= setTimeout(leave, PATIENCE_MS);
}

/** Something answered without a proof. With the live stream open, this is a refusal of the server that no session has a part in. */
export function unproven(): void {
  if (!alive) leave();
}

function leave(): void {
  if (ended) return;
  ended = true;
  for (const handler of handlers) handler();
  handlers.clear();
}
