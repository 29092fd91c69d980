import type { rulesAnswer } from "../../api/admin.js";
import type { Checked } from "../../api/checked.js";
import { Facts } from "../browse/facts.js";
import { KeyText } from "../browse/key-text.js";
import { TagList } from "../browse/tags.js";
import { showBytes, showDuration } from "../text.js";

type Rule = Checked<typeof rulesAnswer>["rules"][number];

/** One rule; the first that matches a request counts. */
export function RuleCard({ rule, isMet }: { rule: Rule; isMet: boolean }) {
  const { place, pattern, ttlMs, swrMs, sieMs, methods, conditions, query, vary, tags } = rule;
  const { headers, statusCodes, minSize, maxSize } = conditions;
  const depends = [...vary.headers, ...vary.cookies.map((name) => `cookie ${name}`)];
  return (
    <li class={isMet ? "met" : undefined}>
      <p>
        <KeyText text={pattern} isWhole /> <span class="hint">{place}</span>
        {isMet && <span class="badge good">this one counts</span>}
      </p>
      <Facts
        of={[
          ["Cache", rule.bypass && "never"],
          ["Fresh for", ttlMs !== undefined && (ttlMs === null ? "good" : showDuration(ttlMs))],
          ["Stale while fetched anew", swrMs !== undefined && showDuration(swrMs)],
          ["Stale while the origin fails", sieMs !== undefined && showDuration(sieMs)],
          ["Methods", methods?.join(", ")],
          ["Status", statusCodes?.join(", ")],
          ["Size", (minSize ?? maxSize) !== undefined && sizes(minSize, maxSize)],
          [
            "If",
            headers.length > 0 && headers.map(({ name, glob }) => <Condition key={name} name={name} glob={glob} />),
          ],
          ["Query", query && queryText(query)],
          ["Depends on", depends.length > 0 && <KeyText text={depends.join(", ")} isWhole />],
          ["Content", rule.compress && "compressed"],
          ["Origin's no-store", rule.override && "overridden"],
          ["Tags", tags.length > 0 && <TagList tags={tags} />],
        ]}
      />
    </li>
  );
}

function Condition({ name, glob }: { name: string; glob: string }) {
  return (
    <div>
      <KeyText text={`${name}: ${glob}`} isWhole />
    </div>
  );
}

function sizes(least: number | undefined, most: number | undefined): string {
  if (most === undefined) return `${showBytes(least ?? 0)} at least`;
  return least === undefined ? `${showBytes(most)} at most` : `${showBytes(least)} to ${showBytes(most)}`;
}

function queryText({ sort, ignore, only }: NonNullable<Rule["query"]>) {
  const parts = [
    ...(sort ? ["sorted"] : []),
    ...(ignore.length > 0 ? [`without ${ignore.join(", ")}`] : []),
    ...(only ? [only.length > 0 ? `only ${only.join(", ")}` : "left out"] : []),
  ];
  return <KeyText text={parts.length > 0 ? parts.join("; ") : "as it is sent"} isWhole />;
}
