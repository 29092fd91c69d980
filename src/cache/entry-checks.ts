import type { Touch } from "../backends/backend.js";
import { CacheError, shown } from "../errors.js";
import type { BatchStep, ValueEntry, WriteEntry } from "./options.js";

type Fields<T> = { readonly [Name in keyof T]-?: true };

const VALUE: Fields<ValueEntry> = { key: true, value: true, ttl: true, tags: true };
const BYTES: Fields<WriteEntry> = { ...VALUE, expiresAt: true, staleAt: true, meta: true };
const TOUCH: Fields<Touch> = { key: true, expiresAt: true, staleAt: true, meta: true, ifVersion: true };
const SET: Fields<Extract<BatchStep, { set: unknown }>> = { set: true };
const DELETE: Fields<Extract<BatchStep, { delete: unknown }>> = { delete: true };

/**
 * What is written in one batch, as lists of objects whose fields are all known: one that is misspelt would else be as if it had not been given. What a field holds is looked at where it
 * is used.
 * @throws CacheError `invalid-entry`
 */
export const checkValueEntries = (given: readonly ValueEntry[]): void => checkList("entries", "an entry", given, VALUE);
export const checkWriteEntries = (given: readonly WriteEntry[]): void => checkList("entries", "an entry", given, BYTES);
export const checkTouches = (given: readonly Touch[]): void => checkList("touches", "a touch", given, TOUCH);

/** The same of the steps of an atomic batch. @param values with values to be encoded, not bytes */
export function checkSteps(
  given: readonly ({ set: ValueEntry | WriteEntry } | { delete: string })[],
  values: boolean,
): void {
  checkIsList("steps", given);
  for (const step of given) {
    const sets = Object(step) === step && "set" in step;
    checkFields("a step", step, sets ? SET : DELETE);
    if (sets) checkFields("an entry", step.set, values ? VALUE : BYTES);
  }
}

function checkList(all: string, one: string, given: unknown, fields: object): void {
  checkIsList(all, given);
  for (const each of given) checkFields(one, each, fields);
}

function checkIsList(what: string, given: unknown): asserts given is readonly unknown[] {
  if (!Array.isArray(given)) throw invalid(`${what} can't be ${shown(given)}`, "Give them as a list.");
}

function checkFields(what: string, given: unknown, fields: object): void {
  if (typeof given !== "object" || given === null)
    throw invalid(`${what} can't be ${shown(given)}`, `Give an object with ${listed(fields)}.`);
  for (const name in given) {
    if (Object.hasOwn(fields, name) || Reflect.get(given, name) === undefined) continue;
    throw invalid(`${what} has no ${shown(name)}`, `There are ${listed(fields)}.`);
  }
}

const listed = (fields: object) => Object.keys(fields).join(", ");

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-entry", message, { hint });
}
