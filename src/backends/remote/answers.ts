import { toBytes } from "../../api/wire.js";
import { CacheError } from "../../errors.js";

/** What a server answered, looked at as it is taken apart: it may be any server. */
export class Answer {
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(answer: unknown) {
    if (typeof answer !== "object" || answer === null || Array.isArray(answer)) throw invalid("no object");
    this.fields = { ...answer };
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  text(name: string): string {
    const value = this.fields[name];
    if (typeof value === "string") return value;
    throw invalid(`no text in "${name}"`);
  }

  /** What is base64 in the answer. */
  bytes(name: string): Uint8Array {
    return toBytes(this.text(name));
  }

  number(name: string): number {
    const value = this.fields[name];
    if (typeof value === "number") return value;
    throw invalid(`no number in "${name}"`);
  }

  flag(name: string): boolean {
    const value = this.fields[name];
    if (typeof value === "boolean") return value;
    throw invalid(`neither true nor false in "${name}"`);
  }

  part(name: string): Answer {
    return new Answer(this.fields[name]);
  }

  /** @param count how many there must be */
  list(name: string, count?: number): readonly unknown[] {
    const value = this.fields[name];
    if (!Array.isArray(value)) throw invalid(`no list in "${name}"`);
    if (count !== undefined && value.length !== count)
      throw invalid(`${value.length} instead of ${count} in "${name}"`);
    return value;
  }

  texts(name: string): string[] {
    return this.list(name).map((value) => {
      if (typeof value !== "string") throw invalid(`something else than text in "${name}"`);
      return value;
    });
  }

  flags(name: string, count: number): boolean[] {
    return this.list(name, count).map((value) => value === true);
  }
}

export function invalid(what: string): CacheError {
  return new CacheError("store", "invalid-answer", `the server gave ${what}`, {
    hint: "Check that cache serve of the same version runs there.",
  });
}
