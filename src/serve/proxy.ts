import type { IncomingMessage, ServerResponse } from "node:http";
import type { Awaitable } from "../backends/backend.js";
import { AWAKE, type Clock } from "../clock.js";
import { withLength } from "../http/admission.js";
import { type RequestDirectives, requestDirectives } from "../http/cache-control.js";
import type { CacheStatusEntry, ForwardReason } from "../http/cache-status.js";
import { currentAgeMs } from "../http/freshness.js";
import type { Found, FoundResponse, HttpCache } from "../http/http-cache.js";
import { type Fields, linesOf } from "../http/message.js";
import { decideReuse } from "../http/reuse.js";
import { type Rules, type Ruling, selectingFields, withoutPseudoFields } from "../http/rules.js";
import { withoutUnkeyed } from "../http/unkeyed.js";
import { fieldsForVary, varyOf, varyWith } from "../http/vary.js";
import type { Selector } from "../selector.js";
import { ourFields, outcomeFields, sendFound, sendOwn } from "./answer.js";
import { Client } from "./client.js";
import { Content, hasContent } from "./content.js";
import { Entrance, type EntranceOptions } from "./entrance.js";
import { Fetcher, type FetchOptions, type FetchTask } from "./fetch.js";
import { Flight, Flights, type Landing } from "./flights.js";
import { Passing } from "./passing.js";
import type { HeldResponse, ProxyListener } from "./proxy-listener.js";
import { type Exchange, isExchange, type Question } from "./question.js";
import { type ReadyHit, ReadyHits } from "./ready-hits.js";
import type { BodySource } from "./stored-body.js";
import { upgradingClient } from "./upgrade.js";
import { failureOf, type OriginResponse, type Upstream } from "./upstream.js";

export interface ProxyOptions extends FetchOptions, EntranceOptions {
  /** Is told that the store has a fresh response, from now on or still. */
  held?: ((question: Question, response: HeldResponse) => void) | undefined;
  /** Milliseconds without a byte after which a connection that speaks another protocol ends. Default 10 minutes. */
  tunnelIdleMs?: number;
}

/** With what it is for. Not looked up in a WeakMap: what that holds outlives V8's quick collections, the whole request with it. */
interface ProxyTask extends FetchTask {
  question: Question;
}

/** Why the origin of a question is asked, and for whom. */
type Errand = Pick<FetchTask, "found" | "fwd" | "flight" | "client" | "keep">;

/** What became of a URL that the store was to have: `foreign` is of no origin of ours, `not-kept` by the will of the origin or a rule. */
export type Warmed = "stored" | "fresh" | "not-kept" | "foreign" | "failed";

/** Milliseconds that a request waits for the fetch of another one. */
const LONGEST_WAIT = 10_000;

/** A caching reverse proxy: a request in, a response out (RFC 9110 §3.7, RFC 9111). */
export class CachingProxy {
  readonly #store: HttpCache;
  readonly #entrance: Entrance;
  readonly #passing: Passing;
  readonly #clock: Clock;
  readonly #options: ProxyOptions;
  readonly #listener: ProxyListener;
  readonly #flights: Flights;
  readonly #ready = new ReadyHits();
  readonly #fetcher: Fetcher<ProxyTask>;
  #running = 0;
  /** Are told when nothing runs any more. */
  readonly #settling: (() => void)[] = [];

  constructor(store: HttpCache, upstream: Upstream, clock: Clock, options: ProxyOptions, listener: ProxyListener) {
    this.#store = store;
    const entrance = new Entrance(upstream, options);
    this.#entrance = entrance;
    this.#passing = new Passing({ store, clock, entrance, listener, ...options });
    this.#clock = clock;
    this.#options = options;
    this.#listener = listener;
    this.#flights = new Flights(clock);
    this.#fetcher = new Fetcher(store, clock, options, {
      asked: ({ question }, ms, status, failure) => listener.asked(question, ms, status, failure),
      answered: ({ client, question }, status, entry) => {
        if (client && isExchange(question)) listener.answered(question, status, entry);
      },
      held: ({ question }, response) => options.held?.(question, response),
      storeFailed: (error) => listener.storeFailed(error),
    });
  }

  /** Whoever asks from now on joins no fetch that a change covers. */
  changed(selector: Selector): void {
    this.#flights.changed(selector);
  }

  /** Other rules, for who asks from now on; what is stored stays, as far as they allow to use it. */
  useRules(rules: Rules): void {
    this.#entrance.rules = rules;
    this.#flights.changed({ all: true });
  }

  /** Resolves when what runs in the background has ended. */
  async settled(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => this.#settling.push(resolve));
  }

  handle(message: IncomingMessage, response: ServerResponse): void {
    const client = new Client(message, response, this.#clock.monotonic());
    this.#listener.arrived?.(client);
    const work = this.#serve(client);
    if (work) this.#track(work, client);
    client.turnOver();
  }

  /** What is in memory is answered in this very turn. */
  #serve(client: Client): Awaitable<void> {
    const exchange = this.#entrance.enter(client, this.#flights.mark);
    if (exchange === undefined) return;
    const why = bypassReason(exchange);
    if (why !== undefined) return this.#passing.pass(exchange, why);
    if (exchange.request.method === "POST") return this.#post(exchange);
    const found = this.#find(exchange);
    return found instanceof Promise ? found.then((one) => this.#answer(exchange, one)) : this.#answer(exchange, found);
  }

  /**
   * A request for another protocol (RFC 9110 §7.8): where its origin agrees, the connections are joined; else its response is passed on.
   * @param head what came behind the fields of the request
   * @param protocols value of `Upgrade` for the origin
   */
  upgrade(message: IncomingMessage, head: Uint8Array, protocols: string): void {
    const client = upgradingClient(message, head, this.#clock.monotonic());
    this.#listener.arrived?.(client);
    const exchange = this.#entrance.enter(client, this.#flights.mark);
    if (exchange) this.#track(this.#passing.pass(exchange, "bypass", protocols), client);
    client.turnOver();
  }

  /**
   * Has the store hold a fresh response of a URL, as a GET of a client would. Never fails.
   * @param url absolute, as clients ask for it
   * @param fields of the request, which responses may depend on
   */
  async warm(url: string, fields: Fields): Promise<Warmed> {
    const question = this.#entrance.question(url, fields);
    if (question === undefined) return "foreign";
    if (!question.ruling.cacheable) return "not-kept";
    const found = await this.#findStored(question);
    if (this.#isHeld(question, found)) return "fresh";
    const key = this.#flightKey(question, found);
    const underWay = this.#flights.find(key);
    if (underWay) {
      closeBody(found);
      const landing = await underWay.landed;
      // It may have been for another request, and its response not for this one.
      const again = await this.#findStored(question);
      if (this.#isHeld(question, again)) return "stored";
      if (isFailed(landing)) return "failed";
      return this.#warm(question, again, new Flight(key, question.resourceKey));
    }
    return this.#warm(question, found, this.#flights.begin(key, question.resourceKey));
  }

  async #warm(question: Question, found: Found, flight: Flight): Promise<Warmed> {
    const fwd = found.kind === "none" ? "uri-miss" : "stale";
    this.#track(this.#run(question, { found, fwd, flight, client: undefined, keep: true }));
    const landing = await flight.landed;
    return isFailed(landing) ? "failed" : landing.kind === "unshared" ? "not-kept" : "stored";
  }

  /** Whether it is a fresh response that answers this. */
  #isHeld(question: Question, found: Found): boolean {
    if (found.kind === "none") return false;
    const { use } = decideReuse(found.response, requestDirectives(question.request.fields), this.#clock.now());
    if (use !== "fresh") return false;
    closeBody(found);
    this.#options.held?.(question, heldOf(found, question.ruling));
    return true;
  }

  /** A URL from its origin, past the store, for ourselves. Undefined where it is of no origin. @throws OriginFailure */
  async ask(url: string, fields: Fields, signal: AbortSignal): Promise<OriginResponse | undefined> {
    const question = this.#entrance.question(url, fields);
    if (question === undefined) return undefined;
    const { origin, target } = question;
    return origin.send({ method: "GET", path: target.path, fields: this.#entrance.originFields(question), signal });
  }

  /** A POST that a rule has stored: its content is in its key. */
  async #post(exchange: Exchange): Promise<void> {
    const { client, request, ruling } = exchange;
    const content = await Content.read(client.request);
    if (content === undefined) return client.cut();
    const { hash } = content;
    if (hash === undefined) return this.#passing.pass({ ...exchange, content }, "bypass");
    const fields = selectingFields(ruling, withoutPseudoFields(request.fields), hash);
    const keyed = { ...exchange, content, request: { ...request, fields } };
    await this.#answer(keyed, await this.#find(keyed));
  }

  /** A request that the store may answer. */
  #answer(exchange: Exchange, found: Found): Awaitable<void> {
    const { request, plain } = exchange;
    const directives = requestDirectives(plain ? NO_FIELDS : request.fields);
    const now = this.#clock.now();
    if (found.kind === "none") {
      if (directives.onlyIfCached) return this.#gatewayTimeout(exchange);
      return this.#fetch(exchange, found, found.index ? "vary-miss" : "uri-miss", directives);
    }
    const { response } = found;
    // RFC 9111 §3.5: what was stored for anybody may not be what the origin gives this one.
    if (!response.forAuthorized && !plain && isAuthorized(request.fields)) {
      closeBody(found);
      return directives.onlyIfCached ? this.#gatewayTimeout(exchange) : this.#passing.pass(exchange, "request");
    }
    const ready = plain && request.method === "GET" ? this.#ready.at(found, now) : undefined;
    if (ready) return this.#sendReady(exchange, found, ready);
    const decision = decideReuse(response, directives, now);
    if (decision.use === "fresh") return this.#send(exchange, found, now);
    // Another instance may have refreshed it, and what is to be changed must be known by its version.
    if (found.version === undefined) {
      closeBody(found);
      return this.#findStored(exchange).then((stored) => this.#answer(exchange, stored));
    }
    if (decision.use === "stale") {
      if (decision.because === "swr") this.#refresh(exchange, found);
      return this.#send(exchange, found, now);
    }
    if (decision.use === "gateway-timeout") {
      closeBody(found);
      return this.#gatewayTimeout(exchange);
    }
    return this.#fetch(exchange, found, decision.because === "request" ? "request" : "stale", directives);
  }

  /** From the store as it is. */
  #send(exchange: Exchange, found: FoundResponse, now: number): Awaitable<void> {
    const { response, body } = found;
    const { request, plain } = exchange;
    const age = currentAgeMs(response.initialAgeMs, response.responseTime, now);
    const entry: CacheStatusEntry = { hit: true, ttlSeconds: Math.floor((response.lifetimeMs - age) / 1000) };
    const said = this.#ours(entry, Math.floor(age / 1000));
    if (plain && request.method === "GET" && body instanceof Uint8Array) {
      return this.#sendReady(exchange, found, this.#ready.make(found, body, age, now, entry, said));
    }
    this.#tell(exchange, found, entry);
    return sendFound(exchange, found, said, now, () => this.#sourceOf(exchange, found));
  }

  #sendReady(exchange: Exchange, found: FoundResponse, ready: ReadyHit): void {
    this.#tell(exchange, found, ready.entry);
    exchange.client.sendReady(found.response.status, ready);
  }

  #tell(exchange: Exchange, found: FoundResponse, entry: CacheStatusEntry): void {
    this.#listener.answered(exchange, found.response.status, entry);
    if (this.#options.held) this.#options.held(exchange, heldOf(found, exchange.ruling));
  }

  #sourceOf(exchange: Exchange, found: Found): BodySource {
    const flight = new Flight(exchange.resourceKey, exchange.resourceKey);
    const { client } = exchange;
    return this.#fetcher.sourceOf(this.#task(exchange, { found, fwd: "stale", flight, client, keep: false }));
  }

  /** From the origin: by a fetch of its own, or by the one that is under way for the same. */
  async #fetch(exchange: Exchange, found: Found, fwd: ForwardReason, directives: RequestDirectives): Promise<void> {
    const { request } = exchange;
    const key = this.#flightKey(exchange, found);
    const flight = this.#flights.find(key);
    // A store that has failed is left alone for the rest of the request: a hanging one would be waited for once more.
    const keep = !directives.noStore && !(found.kind === "none" && found.unread);
    const shares = keep && !isAuthorized(request.fields) && !directives.noCache;
    if (flight && shares) {
      closeBody(found);
      return this.#follow(exchange, flight, found, directives);
    }
    if (shares && this.#flights.landedSince(key, exchange.mark)) {
      closeBody(found);
      return this.#answer({ ...exchange, mark: this.#flights.mark }, await this.#findStored(exchange));
    }
    const own = shares ? this.#flights.begin(key, exchange.resourceKey) : new Flight(key, exchange.resourceKey);
    await this.#run(exchange, { found, fwd, flight: own, client: exchange.client, keep });
  }

  /** Waits for the fetch of another request, and takes what it brought if that answers this one too (RFC 9111 §4, collapsed requests). */
  async #follow(exchange: Exchange, flight: Flight, found: Found, directives: RequestDirectives): Promise<void> {
    const { client } = exchange;
    const landing = await this.#landing(flight);
    if (client.gone) return;
    const now = this.#clock.now();
    if (landing?.kind === "cut" && !exchange.again) {
      // One of those who waited asks again, and the others wait for that.
      const again: Exchange = { ...exchange, again: true, mark: this.#flights.mark };
      return this.#answer(again, await this.#findStored(again));
    }
    if (landing && isFailed(landing)) {
      const failure = failureOf(landing.error, exchange.origin.url.origin);
      const entry: CacheStatusEntry = { fwd: "miss", collapsed: true, detail: failure.reason };
      this.#listener.answered(exchange, failure.status, entry);
      return sendOwn(client, failure.status, "The origin gave no response.", outcomeFields(entry));
    }
    if (landing?.kind === "response" && answersToo(landing, exchange)) {
      const { response, body } = landing;
      const age = currentAgeMs(response.initialAgeMs, response.responseTime, now);
      const entry: CacheStatusEntry = { fwd: found.kind === "none" ? "uri-miss" : "stale", collapsed: true };
      this.#listener.answered(exchange, response.status, entry);
      const shared = { response, sent: withLength(response, body.length), size: body.length, body };
      const said = this.#ours(entry, Math.floor(age / 1000));
      return sendFound(exchange, shared, said, now, () => this.#sourceOf(exchange, found));
    }
    const again = await this.#findStored(exchange);
    if (again.kind === "response" && decideReuse(again.response, directives, now).use === "fresh") {
      return this.#send(exchange, again, now);
    }
    const keep = !(again.kind === "none" && again.unread);
    const own = new Flight(flight.key, flight.resourceKey);
    await this.#run(exchange, { found: again, fwd: "miss", flight: own, client, keep });
  }

  /** What a rule has depend on fields nobody waits for who has others. */
  #flightKey({ request, ruling, resourceKey }: Question, found: Found): string {
    const { names } = ruling;
    if (found.kind === "response" || names.length === 0) return this.#store.flightKey(found, request.fields);
    return `${resourceKey} ${fieldsForVary(names, request.fields)}`;
  }

  async #landing(flight: Flight): Promise<Landing | undefined> {
    const over = new AbortController();
    const patience = this.#clock.sleep(LONGEST_WAIT, over.signal).then(() => undefined);
    const landing = await Promise.race([flight.landed, patience]);
    over.abort(AWAKE);
    return landing;
  }

  /** While the stale response is sent, a fresh one is fetched for those who come later (RFC 5861 §3). */
  #refresh(exchange: Exchange, found: FoundResponse): void {
    if (this.#flights.find(found.key)) return;
    const flight = this.#flights.begin(found.key, exchange.resourceKey);
    // The reader of a large body is for the client: to validate, its fields are enough.
    const copy = { ...found, body: NO_BODY };
    this.#track(this.#run(exchange, { found: copy, fwd: "stale", flight, client: undefined, keep: true }));
  }

  async #run(question: Question, why: Errand): Promise<void> {
    await this.#fetcher.run(this.#task(question, why));
  }

  #task(question: Question, why: Errand): ProxyTask {
    const { request, target, origin, ruling } = question;
    const originFields = withoutUnkeyed(this.#entrance.originFields(question));
    const { path } = target;
    const body = question.content?.whole;
    return { request, originFields, path, body, origin, ruling, question, ...why };
  }

  #gatewayTimeout(exchange: Exchange): void {
    const entry: CacheStatusEntry = { fwd: "request", detail: "only-if-cached" };
    this.#listener.answered(exchange, 504, entry);
    sendOwn(exchange.client, 504, "It is not in the cache.", outcomeFields(entry));
  }

  #ours(entry: CacheStatusEntry, age?: number): string[] {
    return ourFields(this.#options.pseudonym, entry, age);
  }

  /** A store that can't be read has nothing. */
  #find(exchange: Exchange): Awaitable<Found> {
    const { resourceKey, request, ruling } = exchange;
    try {
      const found = this.#store.find(resourceKey, request.fields, ruling.names);
      return found instanceof Promise ? found.catch((error: unknown) => this.#nothing(exchange, error)) : found;
    } catch (error) {
      return this.#nothing(exchange, error);
    }
  }

  #findStored(question: Question): Promise<Found> {
    const { resourceKey, request, ruling } = question;
    return this.#store
      .findStored(resourceKey, request.fields, ruling.names)
      .catch((error: unknown) => this.#nothing(question, error));
  }

  #nothing({ resourceKey }: Question, error: unknown): Found {
    this.#listener.storeFailed(error);
    return { kind: "none", resourceKey, index: undefined, unread: true };
  }

  /** Nothing that goes wrong with one request is the end of another: its connection is cut, and that is all. */
  #track(work: Promise<void>, client?: Client): void {
    this.#running += 1;
    work
      .catch((error: unknown) => {
        this.#listener.storeFailed(error);
        client?.cut();
      })
      .finally(() => {
        this.#running -= 1;
        if (this.#running === 0) for (const tell of this.#settling.splice(0)) tell();
      });
  }
}

const NO_BODY = new Uint8Array(0);
const NO_FIELDS: Fields = [];

/** Why the store has nothing to do with a request; undefined where it has. */
function bypassReason({ request, ruling, plain, client }: Exchange): ForwardReason | undefined {
  const { method, fields } = request;
  if (method !== "GET" && method !== "HEAD" && !(method === "POST" && ruling.cacheable)) return "method";
  if (!ruling.cacheable) return "bypass";
  // Content of a GET has no meaning (RFC 9110 §9.3.1), and is in no key. Conditions on what is there now are for the origin (RFC 9111 §4.3.2).
  if (method !== "POST" && hasContent(client.request)) return "bypass";
  if (plain) return undefined;
  if (linesOf(fields, "if-match").length > 0 || linesOf(fields, "if-unmodified-since").length > 0) return "bypass";
  return undefined;
}

function isAuthorized(fields: Fields): boolean {
  return linesOf(fields, "authorization").length > 0;
}

function isFailed(landing: Landing): landing is Landing & { error: unknown } {
  return landing.kind === "failed" || landing.kind === "cut";
}

/** Whether what was fetched for one request answers another (RFC 9111 §4.1). */
function answersToo(
  { request: first, response }: Landing & { kind: "response" },
  { request, ruling }: Exchange,
): boolean {
  const vary = varyOf(response.fields);
  if (vary === "*") return false;
  const names = varyWith(vary, response.coding ? [...ruling.names, "accept-encoding"] : ruling.names);
  if (first.method !== request.method) return false;
  return fieldsForVary(names, first.fields) === fieldsForVary(names, request.fields);
}

function heldOf({ response, tags }: FoundResponse, { names }: Ruling): HeldResponse {
  const vary = varyOf(response.fields);
  const more = response.coding ? [...names, "accept-encoding"] : names;
  return { tags, vary: vary === "*" ? more : varyWith(vary, more) };
}

function closeBody({ kind, ...found }: Found): void {
  if (kind === "response" && "body" in found && !(found.body instanceof Uint8Array)) found.body.close();
}
