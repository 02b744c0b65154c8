// The errors of this package. None of them holds a value, a token or a key; `code` never changes its meaning.

/** What every error of this package is. */
export class MonoskopeError extends Error {
  /** A stable word, as in docs/reference/errors.md. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The call itself is malformed: nothing was sent. */
export class UsageError extends MonoskopeError {
  constructor(message: string) {
    super("USAGE", message);
  }
}

/** Bytes that are not a well-formed message. */
export class MalformedError extends MonoskopeError {
  /** The field's name in the .proto file; `content` for the whole message. */
  readonly field: string;

  constructor(kind: string, field: string, rule: string) {
    super("USAGE", `${kind}: ${field} ${rule}.`);
    this.field = field;
  }
}

/** What a proof does not hold up to (tests/vectors-messages.json, `faults`). */
export type Fault =
  | "IDENTITY"
  | "SIGNATURE"
  | "MALFORMED"
  | "REQUEST"
  | "SUBJECT"
  | "PUBLIC_KEY"
  | "GRANT"
  | "SECRET"
  | "OUTCOME"
  | "SIGNER"
  | "CHANGE"
  | "PUBLIC_VALUES"
  | "PAGE"
  | "RESTORED"
  | "SOURCE"
  | "DESTINATION"
  | "SEALED"
  | "STORE"
  | "CHAIN"
  | "BACK"
  | "STEPS";

/** A signature, a pin or what a proof is about does not hold. Nothing that came with it was used. */
export class ProofError extends MonoskopeError {
  readonly fault: Fault;

  constructor(fault: Fault, message: string) {
    super("IDENTITY_CHANGED", message);
    this.fault = fault;
  }
}
