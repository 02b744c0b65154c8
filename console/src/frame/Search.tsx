/** The search field at the top: it shows the secrets that match. "/" goes there. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/Icon";
import { cell, useCell } from "../state/cell";
import { amend, go, here, onGone } from "../state/navigation";

/** Whether the key "/" goes to the search field. Users who dictate can turn it off. */
export const slashSearches = cell(true);

/** Milliseconds after the last key before the search begins. */
const PAUSE = 150;

function searched(): string {
  const place = here();
  return place.view === "secrets" ? (place.secrets?.search ?? "") : "";
}

export function Search() {
  const input = useRef<HTMLInputElement>(null);
  const { text, typed, pressed } = useTyping(input);
  useSlash(() => {
    input.current?.focus();
    input.current?.select();
  });
  const slash = useCell(slashSearches);
  return (
    <div class="search" role="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label="Search secrets"
        placeholder="Search secrets"
        title="Words of the URI, a label, who put it, a key; or a hash that begins with fp1:"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={text}
        onInput={(event) => typed(event.currentTarget.value)}
        onKeyDown={pressed}
      />
      {slash && text === "" && <kbd aria-hidden="true">/</kbd>}
    </div>
  );
}

/** What is typed into the field, and the search that follows when the user pauses or presses Enter. */
function useTyping(input: { readonly current: HTMLInputElement | null }) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const [text, setText] = useState(searched());
  const gone = () => {
    // Whoever has gone on is not called back by the search that was about to begin.
    if (here().view !== "secrets") clearTimeout(timer.current);
    if (document.activeElement !== input.current) setText(searched());
  };
  useEffect(() => onGone(gone), []);
  const search = (words: string) => {
    // Another place moves the focus to its heading; whoever is typing stays here, and who has gone on is left alone.
    const typing = document.activeElement === input.current;
    if (show(words.trim()) && typing) input.current?.focus();
  };
  const typed = (words: string) => {
    setText(words);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(words), PAUSE);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Escape") typed("");
    if (event.key !== "Enter") return;
    event.preventDefault(); // else the key goes on to what has the focus then, and opens it
    clearTimeout(timer.current);
    search(text);
    document.querySelector<HTMLElement>("main .table .link")?.focus();
  };
  return { text, typed, pressed };
}

/** Show the secrets that match, and return whether others were shown before. */
function show(words: string): boolean {
  const { search: before, page: _page, ...others } = here().view === "secrets" ? (here().secrets ?? {}) : {};
  if (words === (before ?? "")) return false;
  const secrets = words === "" ? others : { ...others, search: words };
  if (here().view === "secrets") amend({ view: "secrets", secrets });
  else go({ view: "secrets", secrets });
  return true;
}

/** Call `then` when "/" is pressed outside of fields and dialogs. */
function useSlash(then: () => void): void {
  const newest = useRef(then);
  newest.current = then;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "/" || !slashSearches.get() || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && event.target.closest("input, textarea, select, dialog") !== null) return;
      event.preventDefault();
      newest.current();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
