/** The keys that a secret has now: who puts or compares it wants them all. */

import type { Secret } from "../../api/documents/secrets";
import { Button, partsOf } from "../../parts";
import { useAnswer } from "../../state/answer";
import { pathProblem } from "../uris";

/** Return the keys of a secret, as far as the user may see them; none for a URI that is not valid, or that m8 does not know. */
export function useKeysOf(uri: string): readonly string[] {
  const { store, path } = partsOf(uri);
  const { data } = useAnswer<Secret>(store !== "" && pathProblem(path) === "" ? "secret" : null, { uri });
  return data?.uri === uri && !data.deleted ? Object.keys(data.values) : [];
}

interface KnownKeysProps {
  uri: string;
  /** The keys that are named already. */
  keys: readonly string[];
  /** What becomes of keys that are not named, as a sentence. */
  otherwise: string;
  /** Adds rows for them. */
  add?: (keys: readonly string[]) => void;
}

/** Say which keys a secret has that are not named yet, and what becomes of them; offer to add them. */
export function KnownKeys({ uri, keys, otherwise, add }: KnownKeysProps) {
  const named = new Set(keys);
  const missing = useKeysOf(uri).filter((key) => !named.has(key));
  if (missing.length === 0) return null;
  return (
    <p class="known-keys" role="status">
      <span>
        {named.size === 0 ? "The secret has now:" : "The secret has these keys, too:"} <code>{missing.join(", ")}</code>. {otherwise}
      </span>
      {add !== undefined && (
        <Button small onClick={() => add(missing)}>
          Add these keys
        </Button>
      )}
    </p>
  );
}
