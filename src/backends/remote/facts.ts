import type {
  BackendInfo,
  CounterReport,
  Counters,
  FallbackInfo,
  ForeignEntry,
  ResilienceInfo,
  TierInfo,
} from "../backend.js";
import { COUNTER_NAMES } from "../backend.js";
import { Answer, invalid } from "./answers.js";

/**
 * What the server says of its store, and that it is the server's.
 * @param sizes whether its figures are about what we see of it
 */
export function infoOf(answer: Answer, target: string, sizes: boolean): BackendInfo {
  return {
    kind: "remote",
    target,
    ...(sizes && sizesOf(answer)),
    facts: { store: answer.text("target"), ...factsOf(answer) },
    warnings: answer.texts("warnings"),
    ...(answer.has("resilience") && { resilience: resilienceOf(answer.part("resilience")) }),
    ...(answer.has("tiers") && { tiers: answer.list("tiers").map((one) => tierOf(new Answer(one), sizes)) }),
  };
}

function tierOf(answer: Answer, sizes: boolean): TierInfo {
  return {
    kind: "remote",
    name: answer.text("name"),
    target: answer.text("target"),
    inUse: answer.flag("inUse"),
    ...(sizes && sizesOf(answer)),
    facts: factsOf(answer),
    warnings: answer.texts("warnings"),
    ...(answer.has("resilience") && { resilience: resilienceOf(answer.part("resilience")) }),
  };
}

function sizesOf(answer: Answer): Pick<BackendInfo, "entries" | "bytes"> {
  return {
    ...(answer.has("entries") && { entries: answer.number("entries") }),
    ...(answer.has("bytes") && { bytes: answer.number("bytes") }),
  };
}

function factsOf(answer: Answer): BackendInfo["facts"] {
  const facts: BackendInfo["facts"] = {};
  for (const [name, value] of Object.entries(answer.has("facts") ? answer.part("facts").fields : {})) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") facts[name] = value;
  }
  return facts;
}

const BREAKERS = ["closed", "open", "half-open", "off"] as const;

/** How the store fails and recovers in the server. */
function resilienceOf(answer: Answer): ResilienceInfo {
  const said = answer.text("breaker");
  const breaker = BREAKERS.find((name) => name === said);
  if (breaker === undefined) throw invalid('no state of a breaker in "breaker"');
  return {
    breaker,
    trips: answer.number("trips"),
    failures: answer.number("failures"),
    retries: answer.number("retries"),
    timeouts: answer.number("timeouts"),
    connected: answer.flag("connected"),
    ...(answer.has("fallback") && { fallback: fallbackOf(answer.part("fallback")) }),
  };
}

function fallbackOf(answer: Answer): FallbackInfo {
  return {
    active: answer.flag("active"),
    hits: answer.number("hits"),
    misses: answer.number("misses"),
    writes: answer.number("writes"),
    pending: answer.number("pending"),
    overflowed: answer.flag("overflowed"),
  };
}

export function countersOf(answer: Answer): CounterReport {
  return {
    ...sourced(answer),
    ...(answer.has("tiers") && {
      tiers: answer.list("tiers").map((one) => {
        const tier = new Answer(one);
        return { name: tier.text("name"), ...sourced(tier) };
      }),
    }),
  };
}

function sourced(answer: Answer): Pick<CounterReport, "counters" | "source"> {
  const given = answer.part("counters");
  const counters: Partial<Counters> = {};
  for (const name of COUNTER_NAMES) if (given.has(name)) counters[name] = given.number(name);
  return { counters, source: answer.text("source") === "server" ? "server" : "cache" };
}

export function foreignOf(answer: Answer): ForeignEntry {
  return { type: answer.text("type"), items: [...answer.list("items")], truncated: answer.flag("truncated") };
}
