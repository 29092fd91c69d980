import { AWAKE, type Clock } from "../clock.js";
import { type AdmissionOptions, type Admitted, admit, withLength } from "../http/admission.js";
import { requestDirectives } from "../http/cache-control.js";
import type { CacheStatusEntry, ForwardReason } from "../http/cache-status.js";
import { freshened } from "../http/freshening.js";
import { currentAgeMs, initialAgeMs } from "../http/freshness.js";
import { endToEnd, forwardedHead } from "../http/hop-by-hop.js";
import type { Fill, Found, FoundResponse, HttpCache, NewResponse } from "../http/http-cache.js";
import { type ExchangeTimes, type Fields, fieldOf, type RequestHead, withoutFields } from "../http/message.js";
import { mayServeOnError, type OriginError } from "../http/reuse.js";
import type { Ruling } from "../http/rules.js";
import type { StoredResponse } from "../http/stored-response.js";
import { TAG_FIELDS } from "../http/surrogate-tags.js";
import { isFreshenedBy, validationFields } from "../http/validation.js";
import { ourFields, outcomeFields, sendFound, sendOwn } from "./answer.js";
import { BodyKeeper } from "./body-keeper.js";
import type { Client } from "./client.js";
import { Compressing } from "./compressing.js";
import type { Flight } from "./flights.js";
import { hasBody, relay } from "./relay.js";
import { Sending } from "./sending.js";
import type { BodySource } from "./stored-body.js";
import { Updating } from "./updating.js";
import { failureOf, type Origin, OriginFailure, type OriginResponse } from "./upstream.js";

/** A request to an origin whose response may be kept. */
export interface FetchTask {
  request: RequestHead;
  /** Fields for the origin: end-to-end, `Host`, `Via` and `X-Forwarded-*` among them, without conditions and ranges. */
  originFields: Fields;
  /** Path and query for the origin. */
  path: string;
  /** Content, where the key holds it. */
  body?: Uint8Array | undefined;
  origin: Origin;
  ruling: Ruling;
  found: Found;
  /** Who is to get the response; absent for a refresh in the background. */
  client: Client | undefined;
  /** Those who wait for the same. */
  flight: Flight;
  /** Why the origin is asked. */
  fwd: ForwardReason;
  /** False where the request forbids to keep the response (RFC 9111 §5.2.1.5). */
  keep: boolean;
}

export interface FetchOptions extends AdmissionOptions {
  /** Bytes of a body that is kept; a larger one passes through. */
  maxObjectBytes: number;
  /** Our name in `Via`. */
  pseudonym: string;
  /** Fields with tags are not sent to clients. */
  stripTags: boolean;
}

/** What a fetch tells of itself. */
export interface FetchListener<Task extends FetchTask> {
  /** The origin answered with this status, or failed. */
  asked(task: Task, ms: number, status: number | undefined, failure: unknown): void;
  /** A response was sent, or would have been if somebody waited for it. */
  answered(task: Task, status: number, entry: CacheStatusEntry): void;
  /** The store has a fresh response for it now. */
  held(task: Task, response: { tags: readonly string[]; vary: readonly string[] }): void;
  /** The store did not keep, or could not say, what it was asked to. */
  storeFailed(error: unknown): void;
}

/** Asks origins, sends what they answer to the client as it comes, and keeps what may be kept. */
export class Fetcher<Task extends FetchTask> {
  readonly #store: HttpCache;
  readonly #clock: Clock;
  readonly #options: FetchOptions;
  readonly #listener: FetchListener<Task>;
  readonly #compressing = new Compressing();
  readonly #updating: Updating;

  constructor(store: HttpCache, clock: Clock, options: FetchOptions, listener: FetchListener<Task>) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    this.#listener = listener;
    const toClient = (fields: Fields) => this.#toClient(fields);
    this.#updating = new Updating(store, options, toClient, (error) => listener.storeFailed(error));
  }

  /** Resolves when the response was sent and kept. Never fails: whoever waits is told. */
  async run(task: Task): Promise<void> {
    try {
      await this.#run(task);
    } catch (error) {
      task.flight.land({ kind: "failed", error });
      task.client?.cut();
    } finally {
      task.flight.land({ kind: "unshared" });
      if (task.found.kind === "response" && !(task.found.body instanceof Uint8Array)) task.found.body.close();
    }
  }

  /** @param conditional false where the stored response can't be validated, whatever it has */
  async #run(task: Task, conditional = true): Promise<void> {
    const fill = task.keep ? await this.#begin(task.found) : undefined;
    const { found, request } = task;
    const validating = conditional && found.kind === "response" && found.response.hasValidator ? found : undefined;
    // What can be kept is fetched to its end though nobody waits for it any more.
    const signal = fill ? undefined : goneSignal(task.client);
    const requestTime = this.#clock.now();
    let response: OriginResponse;
    try {
      const conditions = validating ? validationFields(validating.response.fields) : [];
      response = await this.#ask(task, conditions, signal);
    } catch (error) {
      if (signal?.aborted) return;
      return this.#failed(task, error);
    }
    const times = { requestTime, responseTime: this.#clock.now() };
    if (response.status === 304 && validating) {
      if (isFreshenedBy(validating.response.fields, response.fields)) {
        return this.#good(task, validating, response, times);
      }
      // RFC 9111 §4.3.4: it is about a response that is not here, and updates nothing.
      response.body.resume();
      return this.#run(task, false);
    }
    if (request.method === "HEAD" && found.kind === "response" && fill)
      await this.#updating.heard(task, found, response, times);
    if (response.status === 304) {
      // The request had no condition: nobody has what it is about.
      response.body.resume();
      return this.#failed(task, new OriginFailure(502, "protocol", "the origin answered 304 unasked", undefined));
    }
    if (ERRORS.has(response.status) && this.#mayUseStale(task, "status")) {
      response.body.resume();
      return this.#useStale(task, { fwdStatus: response.status });
    }
    await this.#take(task, response, times, fill);
  }

  /** @throws OriginFailure; the signal's reason where it was aborted */
  async #ask(task: Task, more: Fields, signal: AbortSignal | undefined): Promise<OriginResponse> {
    const { request, path, originFields, origin, body, client } = task;
    const began = this.#clock.monotonic();
    try {
      const response = await origin.send({
        method: request.method,
        path,
        fields: [...originFields, ...more],
        signal,
        ...(body && { body }),
        onInformational: (head) => client?.inform(forwardedHead(head, this.#options.pseudonym)),
      });
      this.#listener.asked(task, this.#clock.monotonic() - began, response.status, undefined);
      return response;
    } catch (error) {
      if (!signal?.aborted) this.#listener.asked(task, this.#clock.monotonic() - began, undefined, error);
      throw error;
    }
  }

  /** Where the body comes from of what is sent as it is stored. */
  sourceOf(task: Task): BodySource {
    return {
      store: this.#store,
      method: task.request.method,
      askAgain: (fields) => this.#ask(task, fields, goneSignal(task.client)),
      storeFailed: (error) => this.#listener.storeFailed(error),
    };
  }

  /** Undefined where the store can't be used just now: then nothing is kept. */
  async #begin(found: Found): Promise<Fill | undefined> {
    try {
      return await this.#store.begin(found);
    } catch (error) {
      this.#listener.storeFailed(error);
      return undefined;
    }
  }

  /** A response of the origin's own: kept if it may be. */
  async #take(task: Task, response: OriginResponse, times: ExchangeTimes, fill: Fill | undefined): Promise<void> {
    const { request, ruling } = task;
    const verdict = fill ? admit(request, response, times, { ...this.#options, ruling }) : undefined;
    const length = Number(fieldOf(response.fields, "content-length") ?? Number.NaN);
    const tooLarge = length > this.#options.maxObjectBytes;
    const misfit = verdict && "admitted" in verdict && !fits(length, verdict.admitted.sizes);
    if (!fill || !verdict || "refused" in verdict || tooLarge || misfit) {
      task.flight.land({ kind: "unshared" });
      const refused = verdict && "refused" in verdict ? verdict.refused : undefined;
      return this.#pass(task, response, tooLarge ? "too-large" : misfit ? "rule-size" : refused);
    }
    const { admitted } = verdict;
    task.flight.tags = admitted.tags;
    const kept = { ...admitted.response, fields: this.#toClient(admitted.response.fields) };
    const fresh: NewResponse = { ...admitted, response: kept, fill, requestFields: request.fields };
    await this.#keep(task, fresh, response, length, admitted.sizes);
  }

  async #pass(task: Task, response: OriginResponse, detail: string | undefined): Promise<void> {
    const { client, request } = task;
    const entry: CacheStatusEntry = {
      fwd: task.fwd,
      fwdStatus: response.status,
      ...(detail !== undefined && { detail }),
    };
    this.#listener.answered(task, response.status, entry);
    if (!client) {
      response.body.destroy();
      return;
    }
    const fields = this.#toClient(endToEnd(response.fields));
    const head = { status: response.status, fields: [...fields, ...this.#ours(entry)] };
    if (!hasBody(request.method, response.status)) {
      response.body.resume();
      client.head(head.status, head.fields);
      client.end();
      return;
    }
    await relay(client, head, response);
  }

  /** Sends a response on and keeps it. What the client gets last waits until it is kept, so that who asks again finds it. */
  async #keep(
    task: Task,
    admitted: NewResponse,
    from: OriginResponse,
    originLength: number,
    sizes: Admitted["sizes"],
  ): Promise<void> {
    const { flight, client, request } = task;
    const { coding } = admitted.response;
    const coded = coding && coding !== "as-is" ? this.#compressing.start(from.body, coding) : undefined;
    const isAsIs = coding !== undefined && coded === undefined;
    const fresh: NewResponse = isAsIs ? { ...admitted, response: { ...admitted.response, coding: "as-is" } } : admitted;
    const length = coded ? Number.NaN : originLength;
    const entry: CacheStatusEntry = { fwd: task.fwd, fwdStatus: from.status, stored: true };
    this.#listener.answered(task, from.status, entry);
    const { response } = fresh;
    // What must not be stored may be for the client that asked (RFC 9111 §5.2.2.7), such as its own cookies.
    const shown = { ...response, fields: this.#toClient(withoutFields(endToEnd(from.fields), OURS)) };
    const out =
      client && new Sending(client, request, shown, this.#ours(entry, ageOf(response)), length, this.#clock.now());
    const keeper = new BodyKeeper(this.#store, fresh, {
      minBytes: sizes.least,
      maxBytes: Math.min(this.#options.maxObjectBytes, sizes.most),
      onFailure: (error) => this.#listener.storeFailed(error),
    });
    let last: Uint8Array | undefined;
    let size = 0;
    try {
      for await (const piece of (coded ?? from.body) as AsyncIterable<Uint8Array>) {
        size += piece.length;
        await keeper.take(piece);
        if (keeper.givenUp) flight.land({ kind: "unshared" });
        if (keeper.givenUp && client?.gone !== false) return void (await keeper.giveUp());
        if (size === length) last = piece;
        else await out?.write(piece);
      }
    } catch (error) {
      // Cut short (RFC 9111 §3.3): nothing of it is kept, and the client sees that something is missing.
      const removed = keeper.giveUp();
      flight.land({ kind: "cut", error });
      client?.cut();
      return void (await removed);
    }
    const kept = keeper.finish();
    await this.#patiently(kept);
    if (last) await out?.write(last);
    out?.end();
    const body = await kept;
    if (body !== undefined) this.#listener.held(task, fresh);
    if (body === "stored") flight.land({ kind: "stored" });
    else if (body && isFresh(response, this.#clock.now())) flight.land({ kind: "response", request, response, body });
  }

  /** The stored response is good as it is (RFC 9111 §4.3.4). */
  async #good(task: Task, found: FoundResponse, from: OriginResponse, times: ExchangeTimes): Promise<void> {
    from.body.resume();
    const { client, request, flight, ruling } = task;
    const { shown, stored } = freshened(request, found.response, from.fields, times, { ...this.#options, ruling });
    const kept = typeof stored === "object";
    const entry: CacheStatusEntry = { fwd: task.fwd, fwdStatus: 304, stored: kept };
    this.#listener.answered(task, found.response.status, entry);
    const updated = this.#updating.update(found, stored);
    await this.#patiently(updated);
    const good = kept ? stored.response : { ...found.response, ...times, initialAgeMs: initialAgeMs(shown, times) };
    const response = { ...good, fields: this.#toClient(good.fields) };
    const { body } = found;
    if (kept && body instanceof Uint8Array && isFresh(response, times.responseTime))
      flight.land({ kind: "response", request, response, body });
    else if (kept) flight.land({ kind: "stored" });
    if (client) {
      const own = { ...response, fields: this.#toClient(shown) };
      const fresh = { ...found, response: own, sent: withLength(own, found.size) };
      const said = this.#ours(entry, ageOf(response));
      await sendFound({ client, request }, fresh, said, times.responseTime, () => this.sourceOf(task));
    }
    await updated;
  }

  /** Waits for the store, but no longer than a client may be made to. */
  async #patiently(work: Promise<unknown>): Promise<void> {
    if (await endsInThisTurn(work)) return;
    const over = new AbortController();
    await Promise.race([work, this.#clock.sleep(PATIENCE, over.signal)]);
    over.abort(AWAKE);
  }

  /** The origin can't be asked, or fails: the stale response if it may be used (RFC 5861 §4), else the failure. */
  async #failed(task: Task, error: unknown): Promise<void> {
    const failure = failureOf(error, task.origin.url.origin);
    if (this.#mayUseStale(task, "disconnected")) return this.#useStale(task, { detail: failure.reason });
    const entry: CacheStatusEntry = { fwd: task.fwd, detail: failure.reason };
    task.flight.land({ kind: "failed", error: failure });
    this.#listener.answered(task, failure.status, entry);
    if (task.client) sendOwn(task.client, failure.status, REASONS[failure.status], outcomeFields(entry));
  }

  #mayUseStale({ found, request }: Task, error: OriginError): boolean {
    if (found.kind !== "response") return false;
    return mayServeOnError(found.response, requestDirectives(request.fields), this.#clock.now(), error);
  }

  async #useStale(task: Task, why: { fwdStatus: number } | { detail: string }): Promise<void> {
    const { client, request, found, flight } = task;
    if (found.kind !== "response") return;
    const now = this.#clock.now();
    const { response, body } = found;
    const age = currentAgeMs(response.initialAgeMs, response.responseTime, now);
    const ttlSeconds = Math.min(-1, Math.floor((response.lifetimeMs - age) / 1000));
    const entry: CacheStatusEntry = { fwd: "stale", ...why, ttlSeconds };
    this.#listener.answered(task, response.status, entry);
    if (body instanceof Uint8Array) flight.land({ kind: "response", request, response, body });
    const said = this.#ours(entry, Math.floor(age / 1000));
    if (client) await sendFound({ client, request }, found, said, now, () => this.sourceOf(task));
  }

  #ours(entry: CacheStatusEntry, age?: number): string[] {
    return ourFields(this.#options.pseudonym, entry, age);
  }

  #toClient(fields: Fields): Fields {
    return this.#options.stripTags ? withoutFields(fields, TAG_FIELDS) : fields;
  }
}

/** Whether it ends before anything else gets a turn: most stores do, and no timer need be made for them. Fails as it does. */
function endsInThisTurn(work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const nextTurn = setImmediate(resolve, false);
    work.then(() => {
      clearImmediate(nextTurn);
      resolve(true);
    }, reject);
  });
}

/** Given when the client goes away before its response has ended. */
function goneSignal(client: Client | undefined): AbortSignal {
  const gone = new AbortController();
  client?.onGone(() => gone.abort(new Error("the client went away")));
  return gone.signal;
}

/** Milliseconds that a client waits for its response to be kept. */
const PATIENCE = 50;

/** What we say ourselves of a response that is sent on. */
const OURS: ReadonlySet<string> = new Set(["age", "content-length"]);

/** RFC 5861 §4. */
const ERRORS: ReadonlySet<number> = new Set([500, 502, 503, 504]);

const REASONS = { 502: "The origin gave no valid response.", 504: "The origin did not answer in time." } as const;

/** What has no length that is known is judged when it has ended. */
function fits(length: number, { least, most }: Admitted["sizes"]): boolean {
  return !(length < least || length > most);
}

/** Seconds, where the response was not made just now (RFC 9111 §5.1). */
function ageOf({ initialAgeMs }: StoredResponse): number | undefined {
  return initialAgeMs >= 1000 ? Math.floor(initialAgeMs / 1000) : undefined;
}

function isFresh(response: StoredResponse, now: number): boolean {
  if (response.noCache) return false;
  return currentAgeMs(response.initialAgeMs, response.responseTime, now) < response.lifetimeMs;
}
