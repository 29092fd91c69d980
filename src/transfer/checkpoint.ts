import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { ReadPosition } from "./batch.js";

const SCHEMA = "cache.warm-checkpoint/1";

/** How far a warm has come: everything before `position` of source number `source` is acknowledged by the store. */
export interface Checkpoint<Counters> {
  /** All sources in order, by name. */
  sources: readonly string[];
  /** Index of the source that was being read. */
  source: number;
  /** The content of that source. */
  identity: string;
  /** The settings that decide what is written, as one text. */
  settings: string;
  position: ReadPosition;
  counters: Counters;
}

/**
 * The checkpoint that an earlier run left, undefined if there is none.
 * @throws CacheError `invalid-checkpoint`
 */
export async function loadCheckpoint<Counters extends object>(
  path: string,
  blank: Counters,
): Promise<Checkpoint<Counters> | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw invalid(path, messageOf(error), error);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(path, "it is damaged", error);
  }
  const fields = fieldsOf(parsed);
  if (fields.schema !== SCHEMA) throw invalid(path, "it was not written by this program");
  const { sources, source, identity, settings } = fields;
  if (!isStrings(sources) || !isCount(source) || typeof identity !== "string" || typeof settings !== "string") {
    throw invalid(path, "it is damaged");
  }
  const position = positionOf(fields.position);
  if (position === undefined) throw invalid(path, "it is damaged");
  const counters: Counters = { ...blank };
  for (const [name, count] of Object.entries(fieldsOf(fields.counters))) {
    if (!Object.hasOwn(blank, name) || !isCount(count)) throw invalid(path, "it is damaged");
    Object.assign(counters, { [name]: count });
  }
  return { sources, source, identity, settings, position, counters };
}

/**
 * Writes a checkpoint in one step: a reader sees the old one or the new one. It is not forced to the disk: after a
 * power cut the store may have lost as much.
 * @throws CacheError `checkpoint-not-written`
 */
export async function saveCheckpoint<Counters>(path: string, checkpoint: Checkpoint<Counters>): Promise<void> {
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(draft, `${JSON.stringify({ schema: SCHEMA, ...checkpoint })}\n`, { mode: 0o600, flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw new CacheError(
      "usage",
      "checkpoint-not-written",
      `the checkpoint ${path} can't be written: ${messageOf(error)}`,
      {
        cause: error,
        hint: "Check its folder, its permissions and the space on the disk.",
      },
    );
  }
}

export async function removeCheckpoint(path: string): Promise<void> {
  await rm(path, { force: true });
}

function positionOf(value: unknown): ReadPosition | undefined {
  const { format, offset, line, lineStart, state } = fieldsOf(value);
  if (format !== "object" && format !== "array" && format !== "ndjson") return undefined;
  if (state !== "start" && state !== "after" && state !== "done") return undefined;
  if (!isCount(offset) || !isCount(line) || !isCount(lineStart)) return undefined;
  return { format, offset, line, lineStart, state };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function invalid(path: string, reason: string, cause?: unknown): CacheError {
  return new CacheError("usage", "invalid-checkpoint", `the checkpoint ${path} can't be used: ${reason}`, {
    cause,
    hint: "Remove the file to start from the beginning, or name another one.",
  });
}
