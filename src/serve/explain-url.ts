import type { CacheableMethod, Rule } from "../config/rules.js";
import { type ExplainOptions, type Explanation, explain, ruledRequest } from "../http/explain.js";
import type { HttpCache } from "../http/http-cache.js";
import type { Fields } from "../http/message.js";
import { normalUrl } from "../http/purge.js";
import { Rules, selectingFields } from "../http/rules.js";

export interface ExplainRequest {
  url: string;
  /** Default GET. */
  method?: string;
  fields?: Fields;
}

export interface ExplainContext extends ExplainOptions {
  rules: readonly Rule[];
  cacheableMethods: readonly CacheableMethod[];
  /** Where to look what is stored; absent where that can't be seen. */
  store?: HttpCache;
}

/** `NAME: VALUE`; undefined for what is none. */
export function fieldFromText(text: string): Fields | undefined {
  const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*)$/.exec(text) ?? [];
  return name !== undefined && value !== undefined ? [name, value] : undefined;
}

/**
 * What would become of a request for a URL as a client writes it: for `serve --explain` and the admin route.
 * @throws CacheError `invalid-url`, and what the store says
 */
export async function explainUrl(asked: ExplainRequest, context: ExplainContext): Promise<Explanation> {
  const { rules: given, cacheableMethods, store } = context;
  const rules = new Rules(given, cacheableMethods);
  const { method = "GET", fields = [] } = asked;
  const request = { method, url: normalUrl(asked.url, "invalid-url"), fields };
  const ruling = rules.rule(request);
  const { key } = explain(rules, request, undefined, context);
  // The content of a POST is not given: whether one is stored can't be told.
  if (!store || !ruling.cacheable || method === "POST") return explain(rules, request, undefined, context);
  const found = await store.peekStored(key, selectingFields(ruling, ruledRequest(rules, request).fields), ruling.names);
  if (found.kind === "response" && !(found.body instanceof Uint8Array)) found.body.close();
  return explain(rules, request, found, context);
}
