import { type Fields, fieldOf } from "../http/message.js";
import { trailersAnnounced, trailersToPass } from "../http/trailers.js";
import type { Client } from "./client.js";
import type { OriginResponse } from "./upstream.js";

/** Whether the message with this status has content (RFC 9112 §6.3). */
export function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status >= 200 && status !== 204 && status !== 304;
}

/**
 * Sends a response on as it comes, with its trailers where it is sent in chunks. Cut where the origin cuts it: what is incomplete must look so (RFC 9112 §8).
 */
export async function relay(
  client: Client,
  head: { status: number; fields: Fields },
  from: OriginResponse,
): Promise<void> {
  client.onGone(() => from.body.destroy());
  // RFC 9112 §7.1.2: there are trailers in chunks alone, which is how a body of unknown length is sent to who knows them.
  const inChunks = client.request.httpVersion === "1.1" && fieldOf(head.fields, "content-length") === undefined;
  const announced = inChunks ? trailersAnnounced(from.fields) : undefined;
  client.head(head.status, announced === undefined ? head.fields : [...head.fields, "Trailer", announced]);
  try {
    for await (const piece of from.body) {
      await client.write(piece as Uint8Array);
      if (client.gone) return;
    }
  } catch {
    client.cut();
    return;
  }
  if (inChunks) client.response.addTrailers(pairs(trailersToPass(from.trailers())));
  client.end();
}

function pairs(fields: Fields): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) list.push([fields[i] ?? "", fields[i + 1] ?? ""]);
  return list;
}
