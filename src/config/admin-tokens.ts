import { createHash, randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readSync, type Stats, statSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { CacheError, codeOf } from "../errors.js";

/** Who holds a token of the admin API. A `viewer` may look, an `operator` may change things too. */
export const ADMIN_ROLES = ["viewer", "operator"] as const;
export type AdminRole = (typeof ADMIN_ROLES)[number];

/** A token as the server knows it: what it is can't be told from this. */
export interface AdminToken {
  /** Whose it is, for people. */
  name: string;
  role: AdminRole;
  /** SHA-256 of the token's UTF-8, 64 digits in lower case. */
  sha256: string;
}

/** Bytes of chance in a token. Nobody guesses it, so a plain hash of it needs no salt and no cost. */
const TOKEN_BYTES = 32;

/** A new token: 43 characters of base64url. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/**
 * What the server is to know of a token.
 * @throws CacheError `invalid-tokens` for a name that is none
 */
export function tokenEntry(token: string, name: string, role: AdminRole): AdminToken {
  const sha256 = createHash("sha256").update(token).digest("hex");
  const { success, data, error } = TOKEN.safeParse({ name, role, sha256 });
  if (!success) throw invalid(mistakesOf(error), "Give another name.");
  return data;
}

const TOKEN = z.strictObject({
  name: z.string().min(1, { error: "is empty" }).max(100, { error: "is longer than 100 characters" }),
  role: z.enum(ADMIN_ROLES, { error: `is not ${ADMIN_ROLES.join(" or ")}` }),
  sha256: z.string({ error: "is no text" }).regex(/^[0-9a-fA-F]{64}$/, { error: "is not 64 hexadecimal digits" }),
});

export interface ReadTokensOptions {
  /** Where the system hands out secrets, which others can't get at whatever the rights of their files look like. */
  credentialsFolder?: string | undefined;
  /** A file without a token lets nobody in, instead of being a mistake. */
  mayBeEmpty?: boolean;
}

/**
 * The tokens of a file: a JSON object a line, empty lines aside.
 * @throws CacheError `invalid-tokens` with the file and the line of each mistake, or where others than its owner can read it or there is no token in it
 */
export function readTokens(path: string, { credentialsFolder, mayBeEmpty }: ReadTokensOptions = {}): AdminToken[] {
  let text: string;
  let stats: Stats;
  try {
    stats = statSync(path);
    if (credentialsFolder === undefined || dirname(path) !== resolve(credentialsFolder)) checkRights(path, stats);
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof CacheError) throw error;
    const hint = "Check the path; cache serve token makes a line of it.";
    throw invalid([`${path} can't be read (${codeOf(error)})`], hint);
  }
  const mistakes: string[] = [];
  const tokens: AdminToken[] = [];
  for (const [i, line] of text
    .replace(/^\ufeff/, "")
    .split("\n")
    .entries()) {
    if (line.trim() === "") continue;
    const read = parseLine(line);
    if ("token" in read) tokens.push(read.token);
    else mistakes.push(...read.mistakes.map((mistake) => `${path}:${i + 1}: ${mistake}`));
  }
  if (mistakes.length > 0) throw invalid(mistakes, "cache serve token makes lines of this file.");
  if (tokens.length === 0 && !mayBeEmpty)
    throw invalid([`there is no token in ${path}`], "cache serve token makes a line of it.");
  return tokens;
}

/**
 * Adds a line to a file of tokens, which is made, for its owner alone, where there is none.
 * @throws CacheError `invalid-tokens` where the file can't be used as it is
 */
export function addToken(path: string, token: AdminToken): void {
  let file: number | undefined;
  try {
    // "a" makes it with these rights, and writes at its end whoever else does.
    file = openSync(path, "a+", 0o600);
    checkRights(path, fstatSync(file));
    const { size } = fstatSync(file);
    const last = Buffer.alloc(1);
    const isEnded = size === 0 || (readSync(file, last, 0, 1, size - 1) === 1 && last[0] === NEWLINE);
    writeSync(file, `${isEnded ? "" : "\n"}${JSON.stringify(token)}\n`);
  } catch (error) {
    if (error instanceof CacheError) throw error;
    throw invalid([`${path} can't be written (${codeOf(error)})`], "Check the path and its permissions.");
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

const NEWLINE = 0x0a;

/** Who reads it has no token, but knows all names and roles; who may write to it lets himself in. */
function checkRights(path: string, stats: Stats): void {
  if (!stats.isFile()) throw invalid([`${path} is no file`], "Name a file of your own.");
  const { mode } = stats;
  if (process.platform === "win32" || (mode & 0o077) === 0) return;
  throw invalid([`others can read ${path}`], `Run: chmod 600 ${path}`);
}

/** What a line holds is not repeated in a message: it may be a token that somebody took for its hash. */
function parseLine(line: string): { token: AdminToken } | { mistakes: string[] } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { mistakes: ["is not JSON"] };
  }
  const { success, data, error } = TOKEN.safeParse(json);
  if (success) return { token: { ...data, sha256: data.sha256.toLowerCase() } };
  return { mistakes: mistakesOf(error) };
}

function mistakesOf({ issues }: z.ZodError): string[] {
  return issues.map(({ path, code, message }) => {
    if (code === "unrecognized_keys") return "has something else than name, role and sha256";
    return path.length === 0 ? "is no object" : `${path.join(".")} ${message}`;
  });
}

function invalid(mistakes: readonly string[], hint: string): CacheError {
  return new CacheError("usage", "invalid-tokens", mistakes.join("; "), { hint });
}
