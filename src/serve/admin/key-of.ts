import type { FastifyRequest } from "fastify";
import { keyFromBytes } from "../../key.js";
import { Refusal } from "./refusal.js";

/**
 * The key of a call. A key may be bytes that are no text, which no parser of queries gives back.
 * @throws Refusal 400
 */
export function keyOf({ raw: { url = "" } }: FastifyRequest): string {
  const query = url.slice(url.indexOf("?") + 1);
  const [said = "", more] = query.split("&").flatMap((part) => (part.startsWith("key=") ? part.slice(4) : []));
  if (more !== undefined) throw new Refusal(400, "invalid-request", "the call names more than one key");
  const bytes = said.replaceAll("+", "%20").split(/%([0-9a-fA-F]{2})/);
  return keyFromBytes(
    Buffer.concat(bytes.map((part, i) => (i % 2 === 0 ? Buffer.from(part) : Buffer.from(part, "hex")))),
  );
}
