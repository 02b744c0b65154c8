/** One secret for which it was done, with what its receipt proves. */

import type { ComponentChildren } from "preact";
import type { Done } from "../../api/documents/results";
import { CopyButton, Facts, Hash, Link, Outcome, Proven, Uri } from "../../parts";
import { go } from "../../state/navigation";
import { shortVersion } from "../../parts/words/version";

const BY_RECEIPT = { proven: true, why_not_proven: "", is_false: false };

interface DoneRowProps {
  uri: string;
  outcome: string;
  requestId: string;
  close: () => void;
  /** What follows below it. */
  children?: ComponentChildren;
}

/** A secret, its outcome, and the mark that a receipt proves it. A result is only ever shown if one does. */
export function DoneHead({ uri, outcome, requestId, close, children }: DoneRowProps) {
  const leave = (place: Parameters<typeof go>[0]) => {
    close();
    go(place);
  };
  return (
    <div class="done">
      <div class="done-head">
        <Link class="uri" onClick={() => leave({ view: "secret", uri })}>
          <Uri uri={uri} still />
        </Link>
        <Outcome of={outcome} />
        <Proven of={BY_RECEIPT} />
      </div>
      {children}
      {requestId !== "" && (
        <Link class="small" onClick={() => leave({ view: "upload", requestId, uri })}>
          Show the request
        </Link>
      )}
    </div>
  );
}

/** What was done, as most commands show it. */
export function DoneRow({ result, close }: { result: Done; close: () => void }) {
  return (
    <DoneHead uri={result.uri} outcome={result.outcome} requestId={result.request_id} close={close}>
      {result.outcome === "UNCHANGED" && <p>The same content was there already. Nothing was written.</p>}
      <Facts of={factsOf(result)} />
      {Object.entries(result.public_values ?? {}).map(([key, text]) => (
        <PublicHalf key={key} name={key} text={text} />
      ))}
    </DoneHead>
  );
}

function factsOf(result: Done): [string, ComponentChildren][] {
  const facts: [string, ComponentChildren][] = [];
  const add = (title: string, text: ComponentChildren) => facts.push([title, text]);
  const version = (title: string, text: string | undefined) => text !== undefined && text !== "" && add(title, <code>{shortVersion(text)}</code>);
  if (result.destination !== undefined) add("Copied to", <Uri uri={result.destination} still />);
  version("Version", result.destination_version ?? result.upstream_version);
  version("Content of version", result.restored_version);
  version("Deleted version", result.deleted_version);
  if (result.destroyed !== undefined) add("Erased for good", result.destroyed ? "yes" : "no: it can be restored");
  if (result.hash !== undefined && result.hash !== "") add("Hash", <Hash hash={result.hash} copy />);
  return facts;
}

/** The public half of a key pair. It is no secret: it is meant to be copied. */
function PublicHalf({ name, text }: { name: string; text: string }) {
  return (
    <figure class="public-half">
      <figcaption>
        The public half of <code>{name}</code>. It is no secret. <CopyButton text={text} what={`public half of ${name}`} />
      </figcaption>
      <pre tabIndex={0}>{text}</pre>
    </figure>
  );
}
