/** What is proven, and what is only m8's word. */

/** Whether a receipt of the pinned identity proves what is shown. */
export interface Proof {
  proven: boolean;
  /** Why not; "" if it does. */
  why_not_proven: string;
  /** Whether m8 shows something as a proof that is none: say it loudly. */
  is_false: boolean;
}
