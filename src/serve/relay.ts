import type { Fields } from "../http/message.js";
import type { Client } from "./client.js";
import type { OriginResponse } from "./upstream.js";

/** Whether the message with this status has content (RFC 9112 §6.3). */
export function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status >= 200 && status !== 204 && status !== 304;
}

/** Sends a response on as it comes. Cut where the origin cuts it: what is incomplete must look so (RFC 9112 §8). */
export async function relay(
  client: Client,
  head: { status: number; fields: Fields },
  from: OriginResponse,
): Promise<void> {
  client.onGone(() => from.body.destroy());
  client.head(head.status, head.fields);
  try {
    for await (const piece of from.body) {
      await client.write(piece as Uint8Array);
      if (client.gone) return;
    }
  } catch {
    client.cut();
    return;
  }
  const trailers = from.trailers();
  if (trailers.length > 0 && client.response.hasHeader("trailer")) client.response.addTrailers(pairs(trailers));
  client.end();
}

function pairs(fields: Fields): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) list.push([fields[i] ?? "", fields[i + 1] ?? ""]);
  return list;
}
