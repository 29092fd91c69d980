import type { OriginRoute } from "../config/origin-url.js";
import type { Rule } from "../config/rules.js";
import { formatSize } from "../units.js";

/** What `cache serve` would run with. */
export interface ServePlan {
  listener: string;
  origins: readonly OriginRoute[];
  store: string;
  rules: readonly Rule[];
  cacheableMethods: readonly string[];
  /** Bytes. */
  maxObject: number;
}

/** For people. */
export function planText({ listener, origins, store, rules, cacheableMethods, maxObject }: ServePlan): string {
  return [
    `proxy    ${listener}`,
    ...(origins.length === 0 ? ["origin   none"] : origins.map((one) => `origin   ${placeOf(one)}${one.url}`)),
    `store    ${store}`,
    `caches   ${cacheableMethods.join(", ")}, up to ${formatSize(maxObject)}`,
    ...(rules.length === 0 ? ["rules    none"] : rules.map((rule) => `rule     ${rule.place} ${rule.pattern}`)),
  ].join("\n");
}

function placeOf({ host, path }: OriginRoute): string {
  return host === undefined && path === "/" ? "" : `${host ?? "*"}${path} to `;
}
