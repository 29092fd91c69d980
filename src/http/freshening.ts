import { type AdmissionOptions, type Admitted, admit } from "./admission.js";
import { requestDirectives } from "./cache-control.js";
import { endToEnd } from "./hop-by-hop.js";
import { type ExchangeTimes, type Fields, type RequestHead, type ResponseHead, withoutFields } from "./message.js";
import type { StoredResponse } from "./stored-response.js";
import { freshenedFields } from "./validation.js";
import { varyOf } from "./vary.js";

/** What an update (a 304, or a response to HEAD) makes of a stored response. */
export interface Freshened {
  /** For the client that asked, with what may not be stored. */
  shown: Fields;
  /** To be stored in its place; `leave` it as it is; or `forget` it, since it may no longer be used. */
  stored: Admitted | "leave" | "forget";
}

const COOKIES: ReadonlySet<string> = new Set(["set-cookie"]);

/** A stored response with the fields and times of an update that is about it (RFC 9111 §3.2, §4.3.4, §4.3.5). */
export function freshened(
  request: RequestHead,
  stored: ResponseHead & Pick<StoredResponse, "coding" | "forAuthorized">,
  update: Fields,
  times: ExchangeTimes,
  options: AdmissionOptions,
): Freshened {
  const shown = freshenedFields(stored.fields, endToEnd(update));
  // §5.2.1.5: nothing of the answer to this request is stored.
  if (requestDirectives(request.fields).noStore) return { shown, stored: "leave" };
  // §4.1: where it lies, it would be found by the fields that it varied on before.
  if (`${varyOf(shown)}` !== `${varyOf(stored.fields)}`) return { shown, stored: "forget" };
  // §4.3.5: it is about what GET stored.
  const asked = request.method === "HEAD" ? { ...request, method: "GET" } : request;
  const judge = (fields: Fields) => admit(asked, { status: stored.status, fields }, times, options);
  const first = judge(shown);
  // The cookies are for who asked. What is stored is good for everybody as it was.
  const verdict = "refused" in first && first.refused === "set-cookie" ? judge(withoutFields(shown, COOKIES)) : first;
  if ("refused" in verdict) return { shown, stored: "forget" };
  const { admitted } = verdict;
  // §3.5: it may have been for one who said who he is, and what allowed to give it to others is taken back.
  if (stored.forAuthorized && !admitted.response.forAuthorized) return { shown, stored: "forget" };
  // The content stays as it was stored.
  return { shown, stored: { ...admitted, response: { ...admitted.response, coding: stored.coding } } };
}
