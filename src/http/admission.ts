import type { ResponseDirectives } from "./cache-control.js";
import { codedFields, codingFor } from "./content-coding.js";
import { initialAgeMs, lifetimeOf } from "./freshness.js";
import { type ExchangeTimes, type Fields, type RequestHead, type ResponseHead, withoutFields } from "./message.js";
import { isAbout, type Ruling } from "./rules.js";
import { mayAnswerAuthorized, storability, storedFields } from "./storable.js";
import type { StoredResponse } from "./stored-response.js";
import { surrogateTags } from "./surrogate-tags.js";
import { policyOf } from "./targeted.js";
import { hasValidator } from "./validation.js";
import { varyOf, varyWith } from "./vary.js";

export interface AdmissionOptions {
  /** Freshness of responses that carry none, milliseconds. */
  defaultLifetimeMs: number | undefined;
  /** What the rules say of the request. */
  ruling?: Ruling;
}

/** What is kept of a response, and for how long. */
export interface Admitted {
  response: StoredResponse;
  vary: readonly string[];
  tags: readonly string[];
  deadlines: { expiresAt: number; staleAt: number };
  /** Sizes of bodies that are kept, bytes. */
  sizes: { least: number; most: number };
}

export type Admission = { admitted: Admitted } | { refused: string };

/** Milliseconds that a response which can be validated is kept beyond its freshness: at least, and at most. */
const KEPT_STALE_MS = [3_600_000, 24 * 3_600_000] as const;
/** RFC 9111 §1.2.2: the longest lifetime that must be understood. */
const LONGEST_MS = 2 ** 31 * 1000;

const LENGTH: ReadonlySet<string> = new Set(["age", "content-length"]);

/** Whether a response is kept (RFC 9111 §3), and all that is worked out of it beforehand. */
export function admit(
  request: RequestHead,
  response: ResponseHead,
  times: ExchangeTimes,
  options: AdmissionOptions,
): Admission {
  const { rule, names = [] } = options.ruling ?? {};
  if (rule?.conditions.statusCodes && !isAbout(rule, response.status)) return { refused: "rule-status" };
  const about = rule && isAbout(rule, response.status) ? rule : undefined;
  const override = about?.override === true;
  const ruleLifetimeMs = about?.ttlMs === null ? LONGEST_MS : about?.ttlMs;
  const verdict = storability(request, response, times.responseTime, {
    override,
    ruleLifetimeMs,
    ...(options.ruling?.cacheable && { methods: ["POST"] }),
  });
  if (!verdict.storable) return { refused: verdict.reason };
  const vary = varyOf(response.fields);
  if (vary === "*") return { refused: "vary" };
  const { directives } = policyOf(response.fields);
  const lifetime = lifetimeOf(response, times.responseTime, { ...options, ruleLifetimeMs });
  const lifetimeMs = Math.min(lifetime.ms, LONGEST_MS);
  const ageMs = initialAgeMs(response.fields, times);
  const coding = options.ruling?.compresses ? codingFor(request.fields, response) : undefined;
  const { tags } = surrogateTags(response.fields);
  const fields = withoutFields(storedFields(response, times.responseTime), LENGTH);
  if (isTooLarge(fields)) return { refused: "head-size" };
  // RFC 9110 §13.1.2: If-None-Match has another meaning where the method is not GET or HEAD.
  const canBeValidated = request.method !== "POST" && hasValidator(fields);
  const staleWhileRevalidateMs = about?.swrMs ?? milliseconds(directives.staleWhileRevalidate);
  const staleIfErrorMs = about?.sieMs ?? milliseconds(directives.staleIfError);
  const [least, most] = KEPT_STALE_MS;
  const validatedMs = canBeValidated ? Math.min(Math.max(lifetimeMs, least), most) : 0;
  const staleAt = times.responseTime + lifetimeMs - ageMs;
  const expiresAt =
    Math.max(staleAt, times.responseTime) + Math.max(staleWhileRevalidateMs, staleIfErrorMs, validatedMs);
  if (expiresAt <= times.responseTime) return { refused: "no-freshness" };
  return {
    admitted: {
      vary: varyWith(vary, coding ? [...names, "accept-encoding"] : names),
      tags: rule ? [...new Set([...tags, ...rule.tags])] : tags,
      sizes: {
        least: rule?.conditions.minSize ?? 0,
        most: rule?.conditions.maxSize ?? Number.POSITIVE_INFINITY,
      },
      deadlines: { expiresAt, staleAt },
      response: {
        status: response.status,
        fields,
        ...times,
        lifetimeMs,
        lifetimeSource: lifetime.source,
        initialAgeMs: ageMs,
        noCache: !override && directives.noCache === true,
        mustRevalidate: !override && isAlwaysRevalidated(directives),
        forAuthorized: mayAnswerAuthorized(directives),
        staleWhileRevalidateMs,
        staleIfErrorMs,
        hasValidator: canBeValidated,
        ...(coding && { coding }),
      },
    },
  };
}

/** Bytes of the fields of a response that are kept, as JSON of UTF-8: they go into the meta of an entry, which has no room for more. */
const MAX_FIELDS = 60_000;

function isTooLarge(fields: Fields): boolean {
  const characters = fields.reduce((sum, text) => sum + text.length + 3, 0);
  // A character takes six bytes at most.
  return characters * 6 > MAX_FIELDS && Buffer.byteLength(JSON.stringify(fields)) > MAX_FIELDS;
}

/** RFC 9111 §5.2.2.2, §5.2.2.8, §5.2.2.10. */
function isAlwaysRevalidated({ mustRevalidate, proxyRevalidate, sMaxage }: ResponseDirectives): boolean {
  return mustRevalidate || proxyRevalidate || sMaxage !== undefined;
}

function milliseconds(seconds: number | undefined): number {
  return Math.min((seconds ?? 0) * 1000, LONGEST_MS);
}

/** The fields that are sent: with the length of the body, which is known when it has ended (RFC 9110 §8.6: not in a 204). @param size NaN where it is not known */
export function withLength(
  { status, fields, coding }: ResponseHead & Pick<StoredResponse, "coding">,
  size: number,
): Fields {
  const sent = coding ? codedFields(fields, coding) : fields;
  return status === 204 || Number.isNaN(size) ? sent : [...sent, "Content-Length", `${size}`];
}
