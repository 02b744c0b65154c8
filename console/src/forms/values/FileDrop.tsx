/** Where files are dropped or chosen. They are not read here: the browser's handle is kept until they are sent. */

import { useEffect, useId, useState } from "preact/hooks";
import { Icon } from "../../parts";

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
