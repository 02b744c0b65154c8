/** The keys that a secret has now: who puts or compares it wants them all. */

import type { Secret } from "../../api/types";
import { useAnswer } from "../../app/answer";
import { Button, partsOf } from "../../parts";
import { pathProblem } from "../uris";
import type { Values } from "../values/useValues";

/** Return the keys of a secret, as far as the user may see them; none for a URI that is not valid, or that m8 does not know. */
export function useKeysOf(uri: string): readonly string[] {
  const { store, path } = partsOf(uri);
  const { data } = useAnswer<Secret>(store !== "" && pathProblem(path) === "" ? "secret" : null, { uri });
  return data?.uri === uri && !data.deleted ? Object.keys(data.values) : [];
}

/** Offer the keys that have no row yet. */
export function KnownKeys({ uri, values }: { uri: string; values: Values }) {
  const named = new Set(values.keys());
  const missing = useKeysOf(uri).filter((key) => !named.has(key));
  if (missing.length === 0) return null;
  return (
    <p class="known-keys" role="status">
      <span>
        {named.size === 0 ? "The secret has now:" : "The secret has these keys, too:"} <code>{missing.join(", ")}</code>.
      </span>
      <Button small onClick={() => values.addKeys(missing)}>
        Add these keys
      </Button>
    </p>
  );
}
