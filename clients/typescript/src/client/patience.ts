// The time that one request has: what fails for a while is sent again within it.
import { M8Error } from "./errors.ts";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** m8 waits a minute for a reactor at most. */
const LONGEST_CALL_MS = 60_000;

/** The time that one request has. */
export class Patience {
  readonly #end: number;
  #pauseMs = FIRST_PAUSE_MS;

  /** @param timeoutMs Milliseconds for everything together. */
  constructor(timeoutMs: number) {
    this.#end = performance.now() + timeoutMs;
  }

  /** Makes a call, and makes it again while it fails for a while and there is time. Throws what it threw last. */
  async resend<T>(make: (timeoutMs: number) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await make(Math.min(this.#left(), LONGEST_CALL_MS));
      } catch (error) {
        if (!(error instanceof M8Error && error.temporary) || !(await this.#paused())) throw error;
      }
    }
  }

  /** Waits a little, longer each time. Throws `M8Error` when time is over. */
  async pause(): Promise<void> {
    if (!(await this.#paused())) throw new M8Error("TIMED_OUT", "the time is over.");
  }

  #left(): number {
    return Math.max(1, this.#end - performance.now());
  }

  async #paused(): Promise<boolean> {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    if (this.#left() <= pauseMs) return false;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    return true;
  }
}
