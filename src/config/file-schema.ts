import { z } from "zod";
import { CacheError } from "../errors.js";
import { SETTING_NAMES, settingSpec } from "./settings.js";
import { joinStores } from "./store-url.js";

const scalar = { text: z.string(), boolean: z.boolean(), integer: z.number() };
const units = z.union([z.string(), z.number()]);

const values = Object.fromEntries(
  SETTING_NAMES.filter((name) => !settingSpec(name).secret && name !== "askPassword").map((name) => {
    const spec = settingSpec(name);
    if (spec.path === "or-json") return [name, z.union([z.string(), z.array(z.unknown())]).optional()];
    if (spec.several) return [name, z.union([z.string(), z.array(z.string()).min(1)]).optional()];
    if (spec.kind === "choice") return [name, z.enum([...(spec.choices ?? [])]).optional()];
    if (spec.kind === "text" || spec.kind === "boolean" || spec.kind === "integer")
      return [name, scalar[spec.kind].optional()];
    return [name, (spec.kind === "ttl" ? units.nullable() : units).optional()];
  }),
);

const { profile: _profile, ...profileValues } = values;

const schema = z.strictObject({
  $schema: z.string().optional(),
  ...values,
  profiles: z.record(z.string(), z.strictObject(profileValues)).optional(),
});

type Values = Record<string, string | number | boolean | null>;

/**
 * The content of a config file, checked: unknown names, wrong types and secrets are refused, each with its place.
 * @throws CacheError `invalid-config`
 */
export function checkConfigFile(json: unknown, path: string): Values & { profiles?: Record<string, Values> } {
  const result = schema.safeParse(json);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => {
      const place = issue.path.map(String).join(".") || "the file";
      if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownName(place, key)).join("; ");
      return `${place}: must be ${expectation(issue.path)}`;
    });
    throw new CacheError("usage", "invalid-config", `${path}: ${problems.join("; ")}`, {
      hint: "Each setting is listed by: cache info",
    });
  }
  const { $schema: _, ...rest } = result.data;
  const checked = plain(rest) as ReturnType<typeof checkConfigFile>;
  checkOneStore(checked, path);
  for (const [name, section] of Object.entries(checked.profiles ?? {}))
    checkOneStore(section, `${path} (profile ${name})`);
  return checked;
}

/** Of two that name the store one would be ignored; in different sections the profile's counts. */
function checkOneStore(section: object, where: string): void {
  if (!("store" in section && "backend" in section)) return;
  throw new CacheError("usage", "invalid-config", `${where}: store and backend both name the store`, {
    hint: "Keep one of them.",
  });
}

/** What has to stand at a place of the file. What does stand there is not repeated: it could hold a password. */
function expectation(path: readonly PropertyKey[]): string {
  const last = path.at(-1);
  if (path.length === 0) return "an object of settings";
  if (path[0] === "profiles" && path.length < 3)
    return path.length === 1 ? "an object of profiles" : "an object of settings";
  const name = SETTING_NAMES.find((known) => known === last);
  if (name === undefined) return EXPECTED.text;
  const { kind, choices, several, path: place } = settingSpec(name);
  if (place === "or-json") return "the path of a file in quotes, or a list";
  if (several) return "text in quotes, or a list of it";
  return kind === "choice" ? `one of ${choices?.join(", ")}` : EXPECTED[kind];
}

const EXPECTED = {
  text: "text in quotes",
  boolean: "true or false, without quotes",
  integer: "a number without quotes",
  duration: 'a duration like "30s", or a number of seconds',
  ttl: 'a duration like "30s", a number of seconds, or "none"',
  size: 'a size like "64MB", or a number of bytes',
};

function unknownName(place: string, key: string): string {
  const at = place === "the file" ? key : `${place}.${key}`;
  if (key === "password") return `${at}: a config file holds no password, use passwordFile`;
  const near = SETTING_NAMES.find((name) => name.toLowerCase() === key.toLowerCase().replaceAll(/[-_]/g, ""));
  return near ? `${at}: write it ${near}` : `${at} is not a setting`;
}

/** `"cacheTtl": null` says the same as `"none"`, and a list of stores the same as their URLs in one text. */
function plain(value: unknown): unknown {
  if (value === null) return "none";
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return joinStores(value.map(String));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asText(key, inner)]));
}

/** A list of rules stays JSON, which says where each mistake is. */
function asText(key: string, value: unknown): unknown {
  const name = SETTING_NAMES.find((known) => known === key);
  const isJson = name !== undefined && settingSpec(name).path === "or-json" && Array.isArray(value);
  return isJson ? JSON.stringify(value) : plain(value);
}
