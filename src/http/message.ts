/** Header fields as they came: name, value, name, value, in order and in their own spelling (Node's `rawHeaders`, what `writeHead` takes). */
export type Fields = readonly string[];

/** A request as the caching rules see it. */
export interface RequestHead {
  /** In capitals, as sent. */
  method: string;
  /** The target URI (RFC 9110 §7.1), absolute and normalised. */
  url: string;
  fields: Fields;
}

/** A final response as the caching rules see it. */
export interface ResponseHead {
  status: number;
  fields: Fields;
}

/** When a response was asked for and when it began to arrive, epoch milliseconds: `request_time` and `response_time` of RFC 9111 §4.2.3. */
export interface ExchangeTimes {
  requestTime: number;
  responseTime: number;
}

/** The values of every line of a field, in order. @param name in lower case */
export function linesOf(fields: Fields, name: string): string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const own = fields[i];
    if (own !== undefined && own.length === name.length && own.toLowerCase() === name) lines.push(fields[i + 1] ?? "");
  }
  return lines;
}

/** The combined value of a field (RFC 9110 §5.3): its lines joined by `, `; undefined where there is none. @param name in lower case */
export function fieldOf(fields: Fields, name: string): string | undefined {
  const lines = linesOf(fields, name);
  return lines.length > 1 ? lines.join(", ") : lines[0];
}

/** The fields of these names alone. @param names in lower case */
export function onlyFields(fields: Fields, names: ReadonlySet<string>): string[] {
  return fields.filter((_, i) => names.has((fields[i - (i % 2)] ?? "").toLowerCase()));
}

/** Without the fields of these names. @param names in lower case */
export function withoutFields(fields: Fields, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (!names.has(name.toLowerCase())) kept.push(name, fields[i + 1] ?? "");
  }
  return kept;
}
