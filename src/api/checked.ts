import type { z } from "zod";
import { CacheError } from "../errors.js";

/** What something has to look like. */
export type Schema<T> = z.ZodType<T>;

/** What has that look. */
export type Checked<S extends z.ZodType> = z.output<S>;

/**
 * The body of a call as its schema has it.
 * @throws CacheError `invalid-request` with the place of the first mistake
 */
export function checked<T>(schema: Schema<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new CacheError("usage", "invalid-request", `the request can't be used: ${mistakeOf(result.error.issues)}`, {
    hint: "GET /openapi.json says what it has to look like.",
  });
}

/** The first mistake with its place; where there are several forms, of the one that is nearest. */
function mistakeOf([issue]: readonly z.core.$ZodIssue[], at: readonly PropertyKey[] = []): string {
  if (issue === undefined) return "";
  const path = [...at, ...issue.path];
  if (issue.code === "invalid_union") {
    const [nearest] = [...issue.errors].sort((one, other) => one.length - other.length);
    if (nearest) return mistakeOf(nearest, path);
  }
  return `${path.length > 0 ? `${path.map(String).join(".")}: ` : ""}${issue.message}`;
}
