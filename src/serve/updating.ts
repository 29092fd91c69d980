import type { AdmissionOptions } from "../http/admission.js";
import { type Freshened, freshened } from "../http/freshening.js";
import type { FoundResponse, HttpCache } from "../http/http-cache.js";
import {
  type ExchangeTimes,
  type Fields,
  type RequestHead,
  type ResponseHead,
  withoutFields,
} from "../http/message.js";
import type { Ruling } from "../http/rules.js";
import { headUpdates } from "../http/validation.js";

/** Changes what is stored by what the origin says of it, without its body (RFC 9111 §3.2). */
export class Updating {
  readonly #store: HttpCache;
  readonly #options: AdmissionOptions;
  readonly #toClient: (fields: Fields) => Fields;
  readonly #storeFailed: (error: unknown) => void;

  /** @param toClient what of the fields is sent, and so kept */
  constructor(
    store: HttpCache,
    options: AdmissionOptions,
    toClient: (fields: Fields) => Fields,
    storeFailed: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#options = options;
    this.#toClient = toClient;
    this.#storeFailed = storeFailed;
  }

  /** What HEAD was answered tells of what GET stored, too (RFC 9111 §4.3.5). Never fails. */
  async heard(
    { request, ruling }: { request: RequestHead; ruling: Ruling },
    found: FoundResponse,
    head: ResponseHead,
    times: ExchangeTimes,
  ): Promise<void> {
    const { fields, coding } = found.response;
    // The length that the origin tells is not that of what was compressed here.
    const { status } = head;
    const told = coding === "br" || coding === "gzip" ? { status, fields: withoutFields(head.fields, LENGTH) } : head;
    const news = headUpdates({ fields, size: found.size }, told);
    if (news === "ignore") return;
    if (news === "update") {
      const { stored } = freshened(request, found.response, head.fields, times, { ...this.#options, ruling });
      return this.update(found, stored);
    }
    try {
      await this.#store.outdate(found);
    } catch (error) {
      this.#storeFailed(error);
    }
  }

  /** Never fails. */
  async update(found: FoundResponse, stored: Freshened["stored"]): Promise<void> {
    if (stored === "leave") return;
    try {
      if (stored === "forget") return await this.#store.forget([found.key]);
      const response = { ...stored.response, fields: this.#toClient(stored.response.fields) };
      await this.#store.freshen(found, response, stored.deadlines);
    } catch (error) {
      this.#storeFailed(error);
    }
  }
}

const LENGTH: ReadonlySet<string> = new Set(["content-length"]);
