/** The names of people, by their ids. They are m8’s word: the id, whose end stands in each, decides. */

import { cell, useCell } from "./cell";

const people = cell<ReadonlyMap<string, string>>(new Map());

/** Take in how people are shown: monoctl puts the name and the end of the id together. */
export function knowPeople(shown: Record<string, string>): void {
  people.set(new Map([...people.get(), ...Object.entries(shown)]));
}

/** Return what shows the person behind an id; the component is drawn again when names come. */
export function usePeople(): (id: string) => string {
  const known = useCell(people);
  return (id) => known.get(id) ?? id;
}
