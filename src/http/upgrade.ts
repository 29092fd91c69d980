import { membersOf } from "./field-syntax.js";
import { type Fields, linesOf } from "./message.js";

/**
 * Protocols in which requests would come that nobody here looks at: a tunnel for them would lead past the cache, its rules and the limits on where requests go. They are
 * not asked for, as RFC 9110 §7.8 allows.
 */
const OF_REQUESTS = /^(?:h2c?|h3|http|tls)(?:\/|$)/i;

/** What is asked for where a request is more than its head: what follows is content first, and only then the other protocol. */
interface Asking {
  httpVersion: string;
  fields: Fields;
  hasContent: boolean;
}

/**
 * The value of `Upgrade` for the origin; undefined for a request that is to be answered as if it had none (RFC 9110 §7.8): one of HTTP/1.0, one without the option in `Connection`, one
 * with content, and one that names nothing that is passed on.
 */
export function protocolsAsked({ httpVersion, fields, hasContent }: Asking): string | undefined {
  if (httpVersion !== "1.1" || hasContent) return undefined;
  const options = linesOf(fields, "connection").flatMap(membersOf);
  if (!options.some((option) => option.toLowerCase() === "upgrade")) return undefined;
  const protocols = linesOf(fields, "upgrade").flatMap(membersOf);
  const passed = protocols.filter((protocol) => PROTOCOL.test(protocol) && !OF_REQUESTS.test(protocol));
  return passed.length === 0 ? undefined : passed.join(", ");
}

/** RFC 9110 §7.8: a name, perhaps with a version. */
const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?$/;

/**
 * The protocol that a 101 switches to. RFC 9110 §7.8: no server may switch to one that was not asked for, and each says to which.
 * @returns undefined where it does
 */
export function protocolTaken(asked: string, responseFields: Fields): string | undefined {
  const taken = linesOf(responseFields, "upgrade").flatMap(membersOf);
  const known = new Set(membersOf(asked.toLowerCase()));
  // Names are compared by case only where the protocol says so; WebSocket's is not (RFC 6455 §4.1).
  return taken.length > 0 && taken.every((one) => known.has(one.toLowerCase())) ? taken.join(", ") : undefined;
}

/** The fields of a request as if it had asked for no other protocol. */
export function withoutUpgrade(fields: Fields): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [name = "", value = ""] = [fields[i], fields[i + 1]];
    const lower = name.toLowerCase();
    if (lower === "connection") {
      const options = membersOf(value).filter((option) => option.toLowerCase() !== "upgrade");
      if (options.length > 0) kept.push(name, options.join(", "));
    } else if (lower !== "upgrade") kept.push(name, value);
  }
  return kept;
}
