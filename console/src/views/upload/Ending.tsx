/** What became of a request, in one box, and what to do next. */

import type { Upload } from "../../api/documents/requests";
import { Banner, Button, outcomeWords, Said } from "../../parts";
import { reasonWords } from "../../pictures/words/outcomes";
import { go } from "../../state/navigation";
import { openForm } from "../../state/openForm";
import { isUnknown } from "./steps";

export function Ending({ upload }: { upload: Upload }) {
  return (
    <div class="banners">
      {upload.is_false && (
        <Banner tone="bad" icon="shieldOff">
          <strong>m8 shows a false proof.</strong> {upload.why_not_proven} Do not believe what stands here. Tell the operator of the store, by another way than m8.
        </Banner>
      )}
      <Words upload={upload} />
    </div>
  );
}

function Words({ upload }: { upload: Upload }) {
  const { state, outcome, reason, proven, why_not_proven } = upload;
  if (isUnknown(upload)) return <Unknown upload={upload} />;
  if (state !== "ENDED")
    return (
      <Banner tone="info" icon="clock">
        It is under way. This page follows it.
      </Banner>
    );
  if (outcome === "FAILED")
    return (
      <Banner tone="bad" icon="alert">
        <p>
          <strong>It failed: {reasonWords(reason)}</strong>
        </p>
        {upload.failure && (
          <>
            <p>
              <Said text={upload.failure.message} />
            </p>
            <p>
              <Said text={upload.failure.fix} />
            </p>
          </>
        )}
      </Banner>
    );
  if (!proven)
    return (
      <Banner tone="warn" icon="shield">
        <strong>{outcome === "" ? "It ended." : `${outcomeWords(outcome)}.`}</strong> That is m8's word: {why_not_proven}
      </Banner>
    );
  return (
    <Banner tone="good" icon="shieldCheck">
      <strong>{outcomeWords(outcome)}.</strong> The receipt of the store's pinned identity proves it.
    </Banner>
  );
}

const LOST = "The reactor lost the key of this request, as when it restarts. As far as it knows, nothing was written; but what was sent may have reached another process before.";
const BROKEN = "The reactor lost touch with its engine in the middle. What was there before is still there, or what was asked for is.";

function Unknown({ upload }: { upload: Upload }) {
  return (
    <Banner tone="warn" icon="alert">
      <p>
        <strong>Nobody knows whether it was done.</strong> {upload.reason === "KEY_LOST" || upload.m8_says.includes("KEY_LOST") ? LOST : BROKEN}
      </p>
      <p>Before you send it again: compare what you have with what is upstream, or verify the secret.</p>
      <div class="box-actions">
        <Button small icon="compare" onClick={() => openForm("compare", { uri: upload.uri })}>
          Compare
        </Button>
        <Button small icon="shieldCheck" onClick={() => openForm("verify", { uris: [upload.uri] })}>
          Verify
        </Button>
        <Button small kind="quiet" onClick={() => go({ view: "secret", uri: upload.uri })}>
          Look at the secret
        </Button>
      </div>
    </Banner>
  );
}
