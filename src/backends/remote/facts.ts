import type { BackendInfo, CounterReport, Counters, ForeignEntry } from "../backend.js";
import { COUNTER_NAMES } from "../backend.js";
import { Answer } from "./answers.js";

/** What the server says of its store, and that it is the server's. */
export function infoOf(answer: Answer, target: string): BackendInfo {
  const facts: BackendInfo["facts"] = {};
  for (const [name, value] of Object.entries(answer.has("facts") ? answer.part("facts").fields : {})) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") facts[name] = value;
  }
  return {
    kind: "remote",
    target,
    ...(answer.has("entries") && { entries: answer.number("entries") }),
    ...(answer.has("bytes") && { bytes: answer.number("bytes") }),
    facts: { store: answer.text("target"), ...facts },
    warnings: answer.texts("warnings"),
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
