import type { Place } from "../app/navigation";
import { PageHead } from "../parts";

export function SecretView({ place }: { place: Place }) {
  return <PageHead title={place.uri ?? "Secret"} />;
}
