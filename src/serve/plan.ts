import type { OriginRoute } from "../config/origin-url.js";
import type { Rule } from "../config/rules.js";
import { formatSize } from "../units.js";

/** What `cache serve` would run with. */
export interface ServePlan {
  listener: string;
  /** Processes that serve clients. */
  workers: number;
  /** Where the admin API would be. */
  admin: string;
  /** The file that says who may call it, null where a token is made at the start. */
  adminTokens: string | null;
  origins: readonly OriginRoute[];
  store: string;
  rules: readonly Rule[];
  cacheableMethods: readonly string[];
  /** Bytes. */
  maxObject: number;
}

/** For people. */
export function planText(plan: ServePlan): string {
  const { listener, workers, admin, adminTokens, origins, store, rules, cacheableMethods, maxObject } = plan;
  return [
    ...(origins.length === 0 ? [] : [`proxy    ${listener}${workers === 1 ? "" : `, ${workers} workers`}`]),
    ...origins.map((one) => `origin   ${placeOf(one)}${one.url}`),
    `admin    ${admin}, ${adminTokens === null ? "a token made at the start" : `tokens of ${adminTokens}`}`,
    `store    ${store}`,
    `caches   ${cacheableMethods.join(", ")}, up to ${formatSize(maxObject)}`,
    ...(rules.length === 0 ? ["rules    none"] : rules.map((rule) => `rule     ${rule.place} ${rule.pattern}`)),
  ].join("\n");
}

function placeOf({ host, path }: OriginRoute): string {
  return host === undefined && path === "/" ? "" : `${host ?? "*"}${path} to `;
}
