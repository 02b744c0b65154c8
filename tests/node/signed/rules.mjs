// Rules of docs/signatures.md, each with a name. `keep` throws the word of a fault where one is broken.
// `without` leaves one rule out, to see whether a vector notices that.

export class Fault extends Error {
  constructor(word) {
    super(word);
    this.word = word;
  }
}

/** The word of each rule that was looked at, by the rule's name. */
export const rules = new Map();
let left = "";

export function without(rule, run) {
  left = rule;
  try {
    return run();
  } finally {
    left = "";
  }
}

export function keep(holds, word, rule = word) {
  rules.set(rule, word);
  if (!holds && rule !== left) throw new Fault(word);
}
