/** What all forms of commands have in common: stores, places, rights, the gate, and one call at a time. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Store } from "../../api/documents/shown";
import { useAnswer } from "../../state/answer";
import { useMe } from "../../state/me";
import type { FormName, FormProps } from "../../state/openForm";
import { notAble, notAllowed } from "../able";
import { type Places, usePlaces } from "../fields/PlacesField";
import { type Gate, stopOf, storesOf, useGate } from "../pin/Pin";
import type { Names } from "../uris";
import { type Sending, useSending } from "./useSending";

interface CommandForm<T> {
  stores: readonly Store[];
  places: Places;
  sending: Sending<T>;
  gate: Gate;
  /** Whether the user tried to send: from then on, problems are shown. */
  attempted: boolean;
  /** What `FormFrame` takes from here. */
  frame: {
    sending: Sending<T>;
    uris: readonly string[];
    why: string;
    onInvalid: () => void;
    close: () => void;
    over: ComponentChildren;
  };
}

/** Begin a form of one command. `names` says what its paths name. */
export function useForm<T>(command: FormName, { start, close, setUnsent }: FormProps, names: Names = "secret"): CommandForm<T> {
  const answer = useAnswer<{ stores: Store[] }>("stores");
  const stores = answer.data?.stores ?? [];
  const places = usePlaces(start, stores, names);
  const sending = useSending<T>();
  const gate = useGate(stores, answer.again);
  const [attempted, setAttempted] = useState(false);
  // Back at the fields after an end, the cleared ones are no mistake of the user's: the form says itself why they are empty.
  useEffect(() => {
    if (sending.state === "ended") setAttempted(false);
  }, [sending.state]);
  const { uris } = places;
  const chosen = storesOf(uris, stores).map((store) => notAble(command, store));
  const unable = chosen.length > 0 && chosen.every((why) => why !== "") ? (chosen[0] ?? "") : "";
  const why = notAllowed(command, useMe()) || (answer.data === undefined && answer.failure !== undefined ? `The stores are not known: ${answer.failure.message}` : "") || (uris.length === 0 ? "Choose a secret." : "") || unable;
  // A full stop does not ask whether what was entered may be lost: it is not sent.
  const leave = () => {
    setUnsent(() => null);
    close();
  };
  const stop = stopOf(stores, uris, sending, leave);
  return {
    stores,
    places,
    sending,
    gate,
    attempted,
    frame: { sending, uris, why, onInvalid: () => setAttempted(true), close, over: stop ?? gate.dialog },
  };
}
