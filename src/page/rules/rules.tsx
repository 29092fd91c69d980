import type { rulesAnswer } from "../../api/admin.js";
import type { Checked } from "../../api/checked.js";
import { call } from "../api.js";
import { Failure } from "../browse/failure.js";
import { useLoad } from "../browse/use-load.js";
import type { Route } from "../route.js";
import { showDuration } from "../text.js";
import { ExplainForm, Explanation, useExplanation } from "./explain.js";
import { RuleCard } from "./rule-card.js";
import "../browse/browse.css";
import "./rules.css";

/** The rules in force, and which of them a request would meet. */
export function RulesScreen({ route: { params } }: { route: Route }) {
  const answer = useLoad("rules", (signal) => call<Checked<typeof rulesAnswer>>("GET", "/cache/rules", { signal }));
  const explained = useExplanation(params);
  const { rules = [], cacheableMethods = [], defaultLifetimeMs = null } = answer.value ?? {};
  return (
    <>
      <h1 tabIndex={-1}>Rules</h1>
      <ExplainForm params={params} />
      <p role="status" class="hint">
        {explained.isLoading && "Looking…"}
      </p>
      <Failure of={explained.failure} />
      {explained.value && <Explanation of={explained.value} />}
      <section class="card" aria-labelledby="rules">
        <h2 id="rules">In force</h2>
        <Failure of={answer.failure} />
        {answer.value && rules.length === 0 && (
          <p>There are no rules: what the origin says of its responses decides.</p>
        )}
        {rules.length > 0 && (
          <ol class="rules">
            {rules.map((rule) => (
              <RuleCard key={rule.place} rule={rule} isMet={rule.place === explained.value?.rule} />
            ))}
          </ol>
        )}
        {answer.value && (
          <p class="hint">
            Cached where no rule says otherwise: {cacheableMethods.join(", ")}. Responses that do not say how long they
            are fresh{" "}
            {defaultLifetimeMs === null
              ? "are so for a tenth of the time since they were changed."
              : `are so for ${showDuration(defaultLifetimeMs)}.`}
          </p>
        )}
      </section>
    </>
  );
}
