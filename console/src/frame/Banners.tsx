/** Sentences above each view: m8 is away or back, the credential expires soon. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { Banner, lengthWords, Said, useNow } from "../parts";
import { useCell } from "../state/cell";
import { away, backSince, useMe } from "../state/me";

/** Seconds before its end at which the credential's expiry is said. */
const SOON = 24 * 3600;

export function Banners() {
  const why = useCell(away);
  const back = useCell(backSince);
  const isKnown = useMe().subject !== "";
  const since = useRef(0);
  useLayoutEffect(() => {
    since.current = why === "" ? 0 : since.current || Date.now();
  }, [why]);
  return (
    <div class="banners">
      {why !== "" && (
        <Banner tone="bad" icon="server">
          <strong>
            <Said text={why} />
          </strong>{" "}
          {isKnown && "What you see was true before. "}monoctl tries again by itself.
        </Banner>
      )}
      {why === "" && back !== 0 && (
        <Banner tone="good" icon="check">
          m8 answers again.
        </Banner>
      )}
      <Expiring />
    </div>
  );
}

function Expiring() {
  const now = useNow();
  const moment = Date.parse(useMe().expires);
  if (Number.isNaN(moment)) return null;
  const left = (moment - now) / 1000;
  if (left > SOON) return null;
  if (left <= 0)
    return (
      <Banner tone="bad" icon="clock">
        <strong>Your credential has expired.</strong> m8 refuses everything until you have a new one. Ask who issued it, then start <code>monoctl console</code> again.
      </Banner>
    );
  return (
    <Banner tone="warn" icon="clock">
      Your credential expires in {lengthWords(left)}. Ask who issued it for a new one.
    </Banner>
  );
}
