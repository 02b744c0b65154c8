/** Fields of forms: a label, a hint, and an error that is tied to the field. Never for values: those have ValueField. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { Icon } from "../Icon";

/** What a control inside a `Field` must carry. */
interface FieldAttributes {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": "true" | undefined;
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  /** What is wrong, as a sentence; "" for nothing. */
  error?: string;
  optional?: boolean;
  /** Show the label to screen readers alone. */
  hideLabel?: boolean;
  children: (attributes: FieldAttributes) => ComponentChildren;
}

/** A label, a control, a hint and an error. */
export function Field({ label, hint, error = "", optional = false, hideLabel = false, children }: FieldProps) {
  const id = useId();
  const described = [hint !== undefined && `${id}-hint`, error !== "" && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={`field ${error === "" ? "" : "field-wrong"}`}>
      <label for={id} class={hideLabel ? "unseen" : "field-label"}>
        {label}
        {optional && <span class="field-optional"> (optional)</span>}
      </label>
      {hint !== undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": error === "" ? undefined : "true" })}
      {error !== "" && (
        <p class="field-error" id={`${id}-error`}>
          <Icon name="alert" /> {error}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps extends Omit<FieldProps, "children"> {
  value: string;
  onInput: (value: string) => void;
  placeholder?: string;
  /** Names to choose from; any other text may be typed as well. */
  choices?: readonly string[];
  mono?: boolean;
  type?: "text" | "search" | "date" | "number";
  onBlur?: () => void;
  required?: boolean;
}

/** One line of text that is no secret. The browser neither remembers nor corrects it. */
export function TextField({ value, onInput, placeholder, choices, mono, type = "text", onBlur, required, ...rest }: TextFieldProps) {
  const list = useId();
  return (
    <Field {...rest}>
      {(attributes) => (
        <>
          <input
            {...attributes}
            class={`input ${mono ? "mono" : ""}`}
            type={type}
            value={value}
            placeholder={placeholder}
            list={choices === undefined ? undefined : list}
            required={required}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onBlur={onBlur}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
          {choices !== undefined && (
            <datalist id={list}>
              {choices.map((choice) => (
                <option key={choice} value={choice} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

export interface Choice {
  value: string;
  text: string;
  disabled?: boolean;
}

interface SelectProps extends Omit<FieldProps, "children"> {
  value: string;
  choices: readonly Choice[];
  onChange: (value: string) => void;
  small?: boolean;
}

/** One of several. */
export function Select({ value, choices, onChange, small, ...rest }: SelectProps) {
  return (
    <Field {...rest}>
      {(attributes) => (
        <select {...attributes} class={`input select ${small ? "input-small" : ""}`} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value} disabled={choice.disabled}>
              {choice.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckboxProps {
  label: ComponentChildren;
  checked: boolean;
  onChange: (checked: boolean, event: Event) => void;
  hint?: ComponentChildren;
  /** Some, but not all, of what it stands for. */
  some?: boolean;
  hideLabel?: boolean;
  disabled?: boolean;
}

/** Yes or no. */
export function Checkbox({ label, checked, onChange, hint, some = false, hideLabel = false, disabled }: CheckboxProps) {
  const id = useId();
  return (
    <div class={`checkbox ${hideLabel ? "checkbox-alone" : ""}`}>
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        ref={(element) => {
          if (element !== null) element.indeterminate = some;
        }}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => onChange(event.currentTarget.checked, event)}
      />
      <label for={id}>
        <span class={hideLabel ? "unseen" : ""}>{label}</span>
      </label>
      {hint !== undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface RadiosProps {
  legend: string;
  value: string;
  choices: readonly { value: string; text: ComponentChildren; hint?: ComponentChildren; disabled?: boolean }[];
  onChange: (value: string) => void;
}

/** One of a few that should all be seen. */
export function Radios({ legend, value, choices, onChange }: RadiosProps) {
  const id = useId();
  return (
    <fieldset class="radios">
      <legend class="field-label">{legend}</legend>
      {choices.map((choice) => (
        <div class="checkbox" key={choice.value}>
          <input
            type="radio"
            id={`${id}-${choice.value}`}
            name={id}
            checked={choice.value === value}
            disabled={choice.disabled}
            aria-describedby={choice.hint === undefined ? undefined : `${id}-${choice.value}-hint`}
            onChange={() => onChange(choice.value)}
          />
          <label for={`${id}-${choice.value}`}>{choice.text}</label>
          {choice.hint !== undefined && (
            <p class="field-hint" id={`${id}-${choice.value}-hint`}>
              {choice.hint}
            </p>
          )}
        </div>
      ))}
    </fieldset>
  );
}
