/** The keys of a secret with the fields and files that hold their values. */

import { useId, useRef } from "preact/hooks";
import { Button, Checkbox, Icon, Said } from "../../parts";
import type { Row } from "./keeper";
import { bytes, EMPTY, looksLikeEnvFile, looksLikeLines, parsed, type Reading } from "./rules";
import type { Values } from "./useValues";
import { FileDrop, ValueField } from "./ValueField";

interface ValueSetProps {
  values: Values;
  /** What is wrong, by row; shown once the user tried to send. */
  problems: ReadonlyMap<number, string>;
  title: string;
  hint: string;
}

const FORGOTTEN = {
  expired: "What you typed was cleared after two minutes without a key press. Enter it again.",
  sent: "The page cleared all values when it sent them. To send again, enter them again.",
};

/** Let the user enter keys and values, add files, and remove both. */
export function ValueSet({ values, problems, title, hint }: ValueSetProps) {
  const id = useId();
  const more = useRef<HTMLDivElement>(null);
  // A row that goes takes the focus with it: it goes on behind the rows, rather than at the top of the page.
  const gone = () => more.current?.querySelector("button")?.focus();
  return (
    <fieldset class="form-group value-set" aria-describedby={`${id}-hint`}>
      <legend>{title}</legend>
      <p class="field-hint" id={`${id}-hint`}>
        {hint}
      </p>
      {values.forgotten !== "no" && ![...problems.values()].includes(EMPTY) && (
        <p class="value-note" role="status">
          <Icon name="clock" /> {FORGOTTEN[values.forgotten]}
        </p>
      )}
      <ul class="value-rows">
        {values.rows.map((row, index) => (
          <li key={row.id}>
            {row.reading === "text" ? (
              <Typed row={row} number={index + 1} values={values} gone={gone} problem={problems.get(row.id) ?? ""} />
            ) : (
              <Dropped row={row} values={values} gone={gone} problem={problems.get(row.id) ?? row.problem} />
            )}
          </li>
        ))}
      </ul>
      <div ref={more}>
        <Button small icon="plus" onClick={() => values.add()}>
          Add a key
        </Button>
      </div>
      <FileDrop take={values.addFiles} />
    </fieldset>
  );
}

interface RowProps {
  row: Row;
  values: Values;
  problem: string;
  /** Called when the row is gone. */
  gone: () => void;
}

function Typed({ row, number, values, problem, gone }: RowProps & { number: number }) {
  const id = `value-${row.id}`;
  const named = row.key === "" ? `value ${number}` : `the value of ${row.key}`;
  return (
    <div class="value-row" role="group" aria-label={row.key === "" ? `key ${number}` : row.key}>
      <KeyField row={row} values={values} problem={problem} gone={gone} label={`Key ${number}`} />
      <ValueField
        key={values.generation}
        id={id}
        label={named}
        describedBy={`${id}-problem`}
        invalid={problem === EMPTY}
        hold={(field) => values.hold(row.id, field)}
        touched={() => values.touched(row.id)}
        pasted={(text) => {
          // Under a key that has a name, lines are one value, as of a properties file.
          const isFile = row.key === "" && !row.filled && looksLikeEnvFile(text);
          if (isFile) {
            values.addPasted(text);
            gone();
          }
          return isFile;
        }}
      />
      <Remove row={row} values={values} gone={gone} what={row.key === "" ? `key ${number}` : row.key} />
      <Problem id={`${id}-problem`} text={problem} />
      {(problem === EMPTY || row.empty) && (
        <Checkbox label="The value is empty" checked={row.empty} onChange={(empty) => values.change(row.id, { empty })} />
      )}
      <FinalBreak row={row} values={values} />
    </div>
  );
}

function KeyField({ row, values, problem, gone, label }: RowProps & { label: string }) {
  const pasted = (event: ClipboardEvent) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!looksLikeLines(text)) return;
    // Lines of an env file: their values do not belong into the field of a key.
    event.preventDefault();
    values.addPasted(text);
    gone();
  };
  return (
    <input
      class="input mono value-key"
      aria-label={label}
      aria-describedby={`value-${row.id}-problem`}
      aria-invalid={problem !== "" && problem !== EMPTY}
      placeholder="key"
      autocomplete="off"
      spellcheck={false}
      value={row.key}
      onInput={(event) => values.change(row.id, { key: event.currentTarget.value })}
      onPaste={row.reading === "text" ? pasted : undefined}
    />
  );
}

const READINGS: readonly [Reading, string][] = [
  ["file", "one key, exact bytes"],
  ["env", "KEY=VALUE lines"],
  ["json", "JSON object"],
];

function Dropped({ row, values, problem, gone }: RowProps) {
  return (
    <div class="value-row is-file" role="group" aria-label={row.name}>
      <span class="file-name">
        {row.name} <small>{bytes(row.size)}</small>
      </span>
      <label class="reading">
        <span>Read as</span>
        <select class="input select" value={row.reading} onChange={(event) => values.change(row.id, { reading: event.currentTarget.value as Reading })}>
          {READINGS.map(([reading, title]) => (
            <option key={reading} value={reading}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <Remove row={row} values={values} gone={gone} what={row.name} />
      {!parsed(row) && <KeyField row={row} values={values} problem={problem} gone={gone} label={`Key for ${row.name}`} />}
      <Problem id={`value-${row.id}-problem`} text={problem} />
      {row.keys !== null && <KeysFound keys={row.keys} />}
      {row.size === 0 && row.reading === "file" && <p class="value-note">This file is empty: the value will have no bytes.</p>}
      <FinalBreak row={row} values={values} />
    </div>
  );
}

/** Which keys a file has, and how large their values are. */
function KeysFound({ keys }: { keys: { key: string; size: number }[] }) {
  return (
    <ul class="keys-found" aria-label="Keys that monoctl found">
      {keys.map(({ key, size }) => (
        <li key={key}>
          <code>{key}</code> <small>{bytes(size)}</small>
        </li>
      ))}
    </ul>
  );
}

function FinalBreak({ row, values }: { row: Row; values: Values }) {
  if (!row.endsWithBreak || parsed(row)) return null;
  return (
    <div class="value-note">
      <p>The value ends with a line break. It is part of the value.</p>
      <Checkbox label="Remove the line break" checked={row.trim} onChange={(trim) => values.change(row.id, { trim })} />
    </div>
  );
}

function Remove({ row, values, gone, what }: Omit<RowProps, "problem"> & { what: string }) {
  const remove = () => {
    values.remove(row.id);
    gone();
  };
  return <Button kind="quiet" icon="x" label={`Remove ${what}`} onClick={remove} />;
}

function Problem({ id, text }: { id: string; text: string }) {
  return (
    <p class="field-error" id={id}>
      {text !== "" && <Icon name="alert" />} <Said text={text} />
    </p>
  );
}
