import { initialAgeMs, lifetimeOf } from "./freshness.js";
import { type ExchangeTimes, type Fields, type RequestHead, type ResponseHead, withoutFields } from "./message.js";
import { mayAnswerAuthorized, storability, storedFields } from "./storable.js";
import type { StoredResponse } from "./stored-response.js";
import { surrogateTags } from "./surrogate-tags.js";
import { policyOf } from "./targeted.js";
import { hasValidator } from "./validation.js";
import { varyOf } from "./vary.js";

export interface AdmissionOptions {
  /** Freshness of responses that carry none, milliseconds. */
  defaultLifetimeMs: number | undefined;
}

/** What is kept of a response, and for how long. */
export interface Admitted {
  response: StoredResponse;
  vary: readonly string[];
  tags: readonly string[];
  deadlines: { expiresAt: number; staleAt: number };
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
  const verdict = storability(request, response, times.responseTime);
  if (!verdict.storable) return { refused: verdict.reason };
  const vary = varyOf(response.fields);
  if (vary === "*") return { refused: "vary" };
  const { directives } = policyOf(response.fields);
  const lifetime = lifetimeOf(response, times.responseTime, options);
  const lifetimeMs = Math.min(lifetime.ms, LONGEST_MS);
  const ageMs = initialAgeMs(response.fields, times);
  const { tags } = surrogateTags(response.fields);
  const fields = withoutFields(storedFields(response, times.responseTime), LENGTH);
  const canBeValidated = hasValidator(fields);
  const staleWhileRevalidateMs = milliseconds(directives.staleWhileRevalidate);
  const staleIfErrorMs = milliseconds(directives.staleIfError);
  const [least, most] = KEPT_STALE_MS;
  const validatedMs = canBeValidated ? Math.min(Math.max(lifetimeMs, least), most) : 0;
  const staleAt = times.responseTime + lifetimeMs - ageMs;
  const expiresAt =
    Math.max(staleAt, times.responseTime) + Math.max(staleWhileRevalidateMs, staleIfErrorMs, validatedMs);
  if (expiresAt <= times.responseTime) return { refused: "no-freshness" };
  return {
    admitted: {
      vary,
      tags,
      deadlines: { expiresAt, staleAt },
      response: {
        status: response.status,
        fields,
        ...times,
        lifetimeMs,
        lifetimeSource: lifetime.source,
        initialAgeMs: ageMs,
        noCache: directives.noCache === true,
        mustRevalidate: directives.mustRevalidate || directives.proxyRevalidate || directives.sMaxage !== undefined,
        forAuthorized: mayAnswerAuthorized(directives),
        staleWhileRevalidateMs,
        staleIfErrorMs,
        hasValidator: canBeValidated,
      },
    },
  };
}

function milliseconds(seconds: number | undefined): number {
  return Math.min((seconds ?? 0) * 1000, LONGEST_MS);
}

/** With the length of the body, which is known when it has ended (RFC 9110 §8.6: not in a 204). */
export function withLength({ status, fields }: ResponseHead, size: number): Fields {
  return status === 204 ? fields : [...fields, "Content-Length", `${size}`];
}
