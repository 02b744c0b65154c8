/** One value: a field that hides it, or a file that is chosen or dropped.
 *
 * Where one value is typed or pasted. The element alone has it: it is hidden but while “Show” is pressed.
 * Where files are dropped or chosen. They are not read here: the browser's handle is kept until they are sent.
 */

import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../parts";
import { MOST_TYPED } from "./rules";

interface ValueFieldProps {
  id: string;
  label: string;
  /** Ids of what describes it, e.g. its problem. */
  describedBy: string;
  invalid: boolean;
  hold: (field: HTMLTextAreaElement) => () => void;
  touched: () => void;
  /** Called with what is pasted; the paste is over if it returns true. */
  pasted: (text: string) => boolean;
}

/** Keeps browsers and password managers away: none of them offers to save or to fill it. There is no `name`. */
const ALONE = {
  autocomplete: "off",
  autocapitalize: "off",
  autocorrect: "off",
  spellcheck: false,
  translate: false,
  "data-1p-ignore": "",
  "data-lpignore": "true",
  "data-bwignore": "",
  "data-form-type": "other",
  "data-gramm": "false",
} as const;

/** A field for one value, of one line or several. It is uncontrolled: Preact never learns what stands in it. */
export function ValueField({ id, label, describedBy, invalid, hold, touched, pasted }: ValueFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [shown, setShown] = useState(false);
  const [refused, setRefused] = useState(0);
  useLayoutEffect(() => (field.current === null ? undefined : hold(field.current)), []);
  return (
    <div class="value-field">
      <textarea
        ref={field}
        id={id}
        rows={1}
        class={shown ? "input mono value" : "input mono value is-hidden"}
        aria-label={label}
        aria-describedby={describedBy}
        aria-invalid={invalid}
        placeholder="value"
        onInput={() => {
          setRefused(0);
          touched();
        }}
        onPaste={(event) => {
          if (pasted(event.clipboardData?.getData("text/plain") ?? "")) event.preventDefault();
        }}
        onBeforeInput={(event) => {
          // Whatever brings the text, by paste, drop or keys: before the browser draws it.
          const { value, selectionStart, selectionEnd } = event.currentTarget;
          const added = event.data?.length ?? event.dataTransfer?.getData("text/plain").length ?? 0;
          const length = value.length - (selectionEnd - selectionStart) + added;
          if (added === 0 || length <= MOST_TYPED) return;
          event.preventDefault();
          setRefused(length);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape") touched();
        }}
        {...ALONE}
      />
      <Reveal shown={shown} label={label} set={setShown} />
      {refused > 0 && (
        <p class="field-error" role="alert">
          <Icon name="alert" /> {`These ${refused.toLocaleString("en")} characters are too many for a field. Save them as a file, and drop it below.`}
        </p>
      )}
    </div>
  );
}

/** Shows the value as long as it is pressed, with the mouse, a finger, Space or Enter. */
function Reveal({ shown, label, set }: { shown: boolean; label: string; set: (shown: boolean) => void }) {
  const pressed = (event: KeyboardEvent, to: boolean) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    set(to);
  };
  const hide = () => set(false);
  return (
    <button
      type="button"
      class="button button-quiet button-icon reveal"
      title="Show while pressed"
      aria-pressed={shown}
      aria-label={`Show ${label} while pressed`}
      onPointerDown={() => set(true)}
      onPointerUp={hide}
      onPointerLeave={hide}
      onPointerCancel={hide}
      onBlur={hide}
      onKeyDown={(event) => pressed(event, true)}
      onKeyUp={(event) => pressed(event, false)}
    >
      <Icon name="eye" />
    </button>
  );
}

/** Take files by drag and drop and by the browser's own dialog. */
export function FileDrop({ take }: { take: (files: Iterable<File>) => void }) {
  const [over, setOver] = useState(false);
  const id = useId();
  useStrayDrops();
  const [folder, setFolder] = useState("");
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const { files, folders } = sorted(event.dataTransfer);
    setFolder(folders[0] ?? "");
    take(files);
  };
  const chosen = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    setFolder("");
    take([...(input.files ?? [])]);
    input.value = "";
  };
  return (
    <div class={over ? "file-drop is-over" : "file-drop"} onDragOver={() => setOver(true)} onDragLeave={() => setOver(false)} onDrop={drop}>
      <input id={id} type="file" multiple class="unseen" onChange={chosen} />
      <label for={id}>
        <strong>Drop files here</strong>, or <span class="link">choose files</span>
      </label>
      <p class="field-hint">
        A <code>.env</code> or <code>.json</code> file becomes many keys; each other file is one key with its exact bytes.
      </p>
      {folder !== "" && (
        <p class="field-error" role="alert">
          <Icon name="alert" /> “{folder}” is a folder. Drop the files that are in it.
        </p>
      )}
    </div>
  );
}

/** Tell files from folders, which browsers hand over as files that cannot be read. */
function sorted(dropped: DataTransfer | null): { files: File[]; folders: string[] } {
  const files: File[] = [];
  const folders: string[] = [];
  [...(dropped?.items ?? [])].forEach((item) => {
    const file = item.getAsFile();
    if (file === null) return;
    if (item.webkitGetAsEntry()?.isDirectory === true) folders.push(file.name);
    else files.push(file);
  });
  return { files, folders };
}

/** A file that is dropped beside the place for files would replace the page: nothing happens instead. */
function useStrayDrops(): void {
  useEffect(() => {
    const stop = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    };
    addEventListener("dragover", stop);
    addEventListener("drop", stop);
    return () => {
      removeEventListener("dragover", stop);
      removeEventListener("drop", stop);
    };
  }, []);
}
