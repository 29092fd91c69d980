import { CacheError, shown } from "./errors.js";

/** What an option has to be, as far as that is told by looking at it alone. */
export interface Form {
  /** In words, for a hint: "a number from 1 to 20". */
  readonly what: string;
  holds(value: unknown): boolean;
  /** What was given is not told. */
  readonly secret?: boolean;
}

/** A form for every option that there is. */
export type Forms<T extends object> = { readonly [Name in keyof Required<T>]: Form };

const form = (what: string, holds: (value: unknown) => boolean): Form => ({ what, holds });

export const TEXT = form("text", (value) => typeof value === "string");
export const SECRET: Form = { ...TEXT, secret: true };
export const FLAG = form("true or false", (value) => typeof value === "boolean");
export const CALLBACK = form("a function", (value) => typeof value === "function");
export const BYTES = form("bytes, as a Uint8Array", isBytes);
export const SIGNAL = form(
  "an AbortSignal",
  (value) => typeof value === "object" && value !== null && "aborted" in value && "addEventListener" in value,
);
/** What is looked at in a place of its own. */
export const CHECKED_ELSEWHERE = form("", () => true);

export const ABOVE_ZERO = form("a number above 0", (value) => typeof value === "number" && value > 0);

export const oneOf = (...words: readonly string[]): Form =>
  form(words.map((word) => `"${word}"`).join(" or "), (value) => typeof value === "string" && words.includes(value));

export const numberFrom = (least: number, most = Number.POSITIVE_INFINITY): Form =>
  form(
    most === Number.POSITIVE_INFINITY ? `a number from ${least} on` : `a number from ${least} to ${most}`,
    (value) => typeof value === "number" && value >= least && value <= most,
  );

/**
 * Refuses options that are misspelt, or of another type than they have to be: both would else be as if they had not been given. One that is `undefined` is not given.
 * @param where what they are options of, for people
 * @throws CacheError of kind `usage`, with the code
 */
export function checkOptions(
  where: string,
  given: object,
  forms: Readonly<Record<string, Form>>,
  code = "invalid-options",
): void {
  const fail = (message: string, hint: string) => new CacheError("usage", code, message, { hint });
  checkIsObject(where, given, code);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const wanted = Object.hasOwn(forms, name) ? forms[name] : undefined;
    if (wanted === undefined) {
      throw fail(`${where} has no option ${shown(name)}`, `There are ${Object.keys(forms).join(", ")}.`);
    }
    if (wanted.holds(value)) continue;
    throw fail(`${name} of ${where} can't be ${wanted.secret ? "that" : shown(value)}`, `Give ${wanted.what}.`);
  }
}

/** What {@link checkOptions} begins with, for who looks into the options before they are checked. @throws CacheError of kind `usage`, with the code */
export function checkIsObject(where: string, given: unknown, code = "invalid-options"): void {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return;
  throw new CacheError("usage", code, `the options of ${where} can't be ${shown(given)}`, {
    hint: "Give them as an object.",
  });
}

/** @throws CacheError `invalid-function` */
export function checkIsFunction(what: string, given: unknown): void {
  if (typeof given === "function") return;
  throw new CacheError("usage", "invalid-function", `${what} can't be ${shown(given)}`, { hint: "Give a function." });
}

/** Also of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return (
    value instanceof Uint8Array || (ArrayBuffer.isView(value) && Object(value)[Symbol.toStringTag] === "Uint8Array")
  );
}
