import type { z } from "zod";
import { CacheError } from "../errors.js";

/** What something has to look like. */
export type Schema<T> = z.ZodType<T>;

/**
 * The body of a call as its schema has it.
 * @throws CacheError `invalid-request` with the place of the first mistake
 */
export function checked<T>(schema: Schema<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue?.path.length ? `${issue.path.join(".")}: ` : "";
  throw new CacheError("usage", "invalid-request", `the request can't be used: ${place}${issue?.message ?? ""}`, {
    hint: "GET /openapi.json says what it has to look like.",
  });
}
