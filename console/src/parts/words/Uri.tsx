/** Secret URIs: the store quiet, the last segment strong, broken across lines only after a slash. */

import { Fragment } from "preact";
import { go } from "../../state/navigation";
import { Link } from "../controls/Button";

/** The parts of `store://a/b`. A text that is none is all path. */
export function partsOf(uri: string): { store: string; path: string } {
  const at = uri.indexOf("://");
  return at < 0 ? { store: "", path: uri } : { store: uri.slice(0, at), path: uri.slice(at + 3) };
}

/** Whether a URI lies at or below a prefix, by whole segments; all lie below "". */
export function isBelow(uri: string, prefix: string): boolean {
  const below = prefix.endsWith("/") ? prefix : `${prefix}/`;
  return prefix === "" || `${uri}/` === below || uri.startsWith(below);
}

interface UriProps {
  uri: string;
  /** Without a link to the secret. */
  still?: boolean;
}

export function Uri({ uri, still = false }: UriProps) {
  const text = <UriText uri={uri} />;
  if (still) return <span class="uri">{text}</span>;
  return (
    <Link class="uri" at={`uri ${uri}`} onClick={() => go({ view: "secret", uri })}>
      {text}
    </Link>
  );
}

function UriText({ uri }: { uri: string }) {
  const { store, path } = partsOf(uri);
  const segments = path.split("/");
  return (
    <>
      {store !== "" && (
        <>
          <span class="uri-store">{store}://</span>
          <wbr />
        </>
      )}
      {segments.map((segment, at) =>
        at === segments.length - 1 ? (
          <span class="uri-last" key={at}>
            {segment}
          </span>
        ) : (
          <Fragment key={at}>
            {segment}/<wbr />
          </Fragment>
        ),
      )}
    </>
  );
}
