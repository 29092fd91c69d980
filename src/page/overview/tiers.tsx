import type { ServerHealth, TierState } from "../../api/events.js";
import { showBytes, showCount, showDuration, showKey, showMs, showRate } from "../text.js";
import { clockTime } from "./plot.js";

/** How each tier does, the fastest first. */
export function Tiers({ health: { at, tiers, fallback } }: { health: ServerHealth }) {
  return (
    <section aria-labelledby="tiers" class="tiers">
      <div class="title">
        <h2 id="tiers">Tiers</h2>
        <span class="hint">as of {clockTime(at / 1000)}</span>
      </div>
      {fallback && (fallback.active || fallback.pending > 0) && (
        <p class="card warning" role="status">
          {fallback.active ? "The fallback stands in for the store" : "The store is back"}:{" "}
          {showCount(fallback.pending)} {fallback.pending === 1 ? "change is" : "changes are"} pending
          {fallback.overflowed &&
            ", too many to note down: the namespace will be deleted before the store is used again"}
          .
        </p>
      )}
      <div class="tier-cards">
        {tiers.map((tier) => (
          <Tier key={tier.name} tier={tier} />
        ))}
      </div>
    </section>
  );
}

/** A word for it, and how bad that is. */
function stateOf({ connected, inUse, breaker }: TierState): readonly [kind: "good" | "warn" | "bad", said: string] {
  if (!connected) return ["bad", "Away"];
  if (breaker === "open") return ["bad", "Breaker open"];
  if (breaker === "half-open") return ["warn", "Trying again"];
  if (!inUse) return ["warn", "Passed over"];
  return ["good", "Healthy"];
}

function Tier({ tier }: { tier: TierState }) {
  const [kind, said] = stateOf(tier);
  const lookups = tier.hits + tier.misses;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Round trip", tier.latency === null ? "none" : showMs(tier.latency)],
    ["Hit rate", lookups > 0 ? `${showRate(tier.hits / lookups)} of ${showCount(lookups)}` : undefined],
    ["Entries", tier.entries === undefined ? undefined : showCount(tier.entries)],
    ["Memory", tier.bytes === undefined ? undefined : showBytes(tier.bytes)],
    ["Keys of the server", tier.keys === undefined ? undefined : showCount(tier.keys)],
    ["Evictions", tier.connected ? showCount(tier.evictions) : undefined],
    ["Errors", tier.connected ? showCount(tier.errors) : undefined],
    [
      "Breaker",
      tier.breaker &&
        `${tier.breaker}${tier.trips ? `, opened ${showCount(tier.trips)} ${tier.trips === 1 ? "time" : "times"}` : ""}`,
    ],
    [
      "Behind by",
      tier.lagMs === undefined ? undefined : tier.lagMs < 1000 ? showMs(tier.lagMs) : showDuration(tier.lagMs),
    ],
    ["Deletions owed", tier.owed ? showCount(tier.owed) : undefined],
  ];
  return (
    <article class={`card tier ${kind}`} aria-label={`Tier ${tier.name}`}>
      <h3>
        {showKey(tier.name)} <span class={`badge ${kind}`}>{said}</span>
      </h3>
      {tier.target !== undefined && <code>{showKey(tier.target)}</code>}
      {tier.error !== undefined && <p class="failure">{showKey(tier.error)}</p>}
      {!tier.inUse && tier.connected && (
        <p class="hint">It might hold what is no longer current: reads go to the tier below.</p>
      )}
      <dl>
        {facts.map(
          ([name, value]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      {tier.warnings.map((warning) => (
        <p class="hint" key={warning}>
          {showKey(warning)}
        </p>
      ))}
    </article>
  );
}
