import type { Place } from "../app/navigation";
import { PageHead } from "../parts";

export function Secrets({ place }: { place: Place }) {
  return <PageHead title={place.uri ?? "Secrets"} />;
}
