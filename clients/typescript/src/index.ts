// The public names of this package. Everything else may change.
export { Client, type Expectation, type PatchOptions, type PutOptions, type Settings, type Values } from "./client/client.ts";
export { Done, type End, Failed, Unknown } from "./client/ends.ts";
export { M8Error, NoKeyError, UnknownStoreError } from "./client/errors.ts";
export { FixedPins, type Pins } from "./client/pins.ts";
export { type Fault, MalformedError, MonoskopeError, ProofError, UsageError } from "./protocol/errors.ts";
export { ProvenReceipt } from "./protocol/receipt.ts";
export { ed25519Signer, publicKeyLine, type Signer } from "./protocol/signing.ts";
export { sourceHere, type SuiteSource } from "./protocol/seal.ts";
export { SecretUri } from "./protocol/uri.ts";
