import type { Place } from "../app/navigation";
import { PageHead } from "../parts";

export function UploadView({ place }: { place: Place }) {
  return <PageHead title={place.uri ?? "Upload"} />;
}
