/** What would be sent: names and sizes, never values. */

import { useState } from "preact/hooks";
import type { Failure, Preview } from "../../api/documents/sending";
import { Button, Facts, FailureBox, Uri } from "../../parts";
import { bytes } from "../values/rules";
import { failureOf } from "./useSending";

interface PreviewsProps {
  /** Ask monoctl. */
  ask: () => Promise<readonly Preview[]>;
  /** Whether the fields can be sent; else the preview says what is wrong, as sending would. */
  valid: boolean;
  onInvalid: () => void;
}

/** A button that shows a preview below it. It shows what was true when it was pressed. */
export function Previews({ ask, valid, onInvalid }: PreviewsProps) {
  const [shown, setShown] = useState<readonly Preview[]>([]);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const look = async () => {
    if (!valid) return onInvalid();
    setBusy(true);
    setFailure(null);
    try {
      setShown(await ask());
    } catch (error) {
      setShown([]);
      setFailure(failureOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="preview">
      <Button small icon="eye" busy={busy} onClick={() => void look()}>
        Preview
      </Button>
      <span class="field-hint">Shows names and sizes, never values. Nothing is written.</span>
      <div role="status">
        {failure !== null && <FailureBox failure={failure} />}
        {shown.map((preview) => (
          <OnePreview key={preview.uri} preview={preview} />
        ))}
      </div>
    </div>
  );
}

function OnePreview({ preview }: { preview: Preview }) {
  const keys = Object.entries(preview.sizes);
  const removes = preview.removes ?? [];
  return (
    <section class="preview-one" aria-label={`Preview of ${preview.uri}`}>
      <Uri uri={preview.uri} still />
      <ul class="keys-found">
        {keys.map(([key, size]) => (
          <li key={key}>
            <code>{key}</code> <small>{bytes(size)}</small>
          </li>
        ))}
        {removes.map((key) => (
          <li key={`-${key}`} class="is-removed">
            <code>{key}</code> <small>is removed</small>
          </li>
        ))}
      </ul>
      <Facts
        of={[
          ["Sealed as", `${bytes(preview.size_class)}: only this size is seen on the way`],
          preview.layout === "" ? null : ["In the engine", preview.layout],
        ]}
      />
    </section>
  );
}
