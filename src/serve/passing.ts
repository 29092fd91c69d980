import type { Duplex } from "node:stream";
import type { Clock } from "../clock.js";
import type { CacheStatusEntry, ForwardReason } from "../http/cache-status.js";
import { endToEnd, forwardedHead, maxForwards } from "../http/hop-by-hop.js";
import type { HttpCache } from "../http/http-cache.js";
import { invalidatedBy } from "../http/invalidation.js";
import { responseKey } from "../http/key.js";
import { type Fields, fieldOf } from "../http/message.js";
import { ourFields, outcomeFields, sendOwn } from "./answer.js";
import type { Client } from "./client.js";
import { contentOf, hasContent } from "./content.js";
import type { Entrance } from "./entrance.js";
import type { ProxyListener } from "./proxy-listener.js";
import type { Exchange } from "./question.js";
import { hasBody, relay } from "./relay.js";
import { joinConnections } from "./upgrade.js";
import { failureOf, type OriginResponse } from "./upstream.js";

const TUNNEL_IDLE = 600_000;

interface PassingParts {
  store: HttpCache;
  clock: Clock;
  entrance: Entrance;
  listener: ProxyListener;
  pseudonym: string;
  /** Milliseconds without a byte after which a connection that speaks another protocol ends. Default 10 minutes. */
  tunnelIdleMs?: number | undefined;
}

/** The road past the store: requests that it can't answer, and whose responses it does not keep. */
export class Passing {
  readonly #parts: PassingParts;

  constructor(parts: PassingParts) {
    this.#parts = parts;
  }

  /** @param upgrade value of `Upgrade` for the origin */
  async pass(exchange: Exchange, fwd: ForwardReason, upgrade?: string): Promise<void> {
    const { client, request, origin, target } = exchange;
    const { clock, entrance, listener, pseudonym } = this.#parts;
    const limited = maxForwards(request.method, entrance.originFields(exchange));
    if (limited.final) return sendOwn(client, 200, "The request was to go no further.");
    const gone = new AbortController();
    client.onGone(() => gone.abort(new Error("the client went away")));
    const began = clock.monotonic();
    let response: OriginResponse;
    try {
      response = await origin.send({
        method: request.method,
        path: target.path,
        fields: limited.fields,
        upgrade,
        signal: gone.signal,
        ...(hasContent(client.request) && { body: exchange.content?.readable() ?? contentOf(client.request) }),
        onInformational: (head) => client.inform(forwardedHead(head, pseudonym)),
      });
    } catch (error) {
      if (gone.signal.aborted) return;
      listener.asked(exchange, clock.monotonic() - began, undefined, error);
      const failure = failureOf(error, origin.url.origin);
      const entry: CacheStatusEntry = { fwd, detail: failure.reason };
      listener.answered(exchange, failure.status, entry);
      return sendOwn(client, failure.status, "The origin gave no response.", outcomeFields(entry));
    }
    listener.asked(exchange, clock.monotonic() - began, response.status, undefined);
    await this.#forget(exchange, response);
    const entry: CacheStatusEntry = { fwd, fwdStatus: response.status };
    listener.answered(exchange, response.status, entry);
    const fields = [...endToEnd(response.fields), ...ourFields(pseudonym, entry)];
    if (response.socket) return this.#switch(client, response, response.socket, fields);
    if (hasBody(request.method, response.status)) return relay(client, { status: response.status, fields }, response);
    response.body.resume();
    client.head(response.status, fields);
    client.end();
  }

  /** The connection is the origin's from now on. */
  #switch(client: Client, response: OriginResponse, socket: Duplex, fields: Fields): void {
    if (client.gone) return void socket.destroy();
    client.head(101, [...fields, "Connection", "Upgrade", "Upgrade", fieldOf(response.fields, "upgrade") ?? ""]);
    client.end();
    joinConnections(client.request.socket, socket, this.#parts.tunnelIdleMs ?? TUNNEL_IDLE);
  }

  /** What a change at the origin has made untrue (RFC 9111 §4.4), before the client hears of the change. */
  async #forget({ request, ruling }: Exchange, response: OriginResponse): Promise<void> {
    // A POST whose responses are stored is a question.
    const urls = ruling.cacheable && request.method === "POST" ? [] : invalidatedBy(request, response);
    if (urls.length === 0) return;
    const { rules } = this.#parts.entrance;
    const stored = new Set(urls.flatMap((url) => [url, rules.urlFor(url, request.fields)]));
    const methods = rules.storesPost ? ["GET", "POST"] : ["GET"];
    const keys = [...stored].flatMap((url) => methods.map((method) => responseKey(method, url)));
    try {
      await this.#parts.store.forget(keys);
    } catch (error) {
      this.#parts.listener.storeFailed(error);
    }
  }
}
