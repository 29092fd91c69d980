import { ask, linesOf } from "./api.js";

export interface ServerEvent {
  event: string;
  data: unknown;
}

/**
 * Server-sent events (WHATWG HTML §9.2.6), read with fetch: EventSource says nothing of why it was refused. Yields undefined for a sign of life.
 * @throws ApiError
 */
export async function* eventsOf(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent | undefined> {
  const response = await ask("GET", path, { signal });
  let event = "message";
  let data: string[] = [];
  for await (const line of linesOf(response)) {
    if (line === "") {
      if (data.length > 0) yield { event, data: JSON.parse(data.join("\n")) };
      event = "message";
      data = [];
    } else if (line.startsWith(":")) yield undefined;
    else {
      const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === "event") event = value;
      if (name === "data") data.push(value);
    }
  }
}
