import type { FastifyInstance, FastifyReply } from "fastify";
import type { Schema } from "../../api/checked.js";
import type { OtherType } from "../../api/openapi.js";
import type { Backend } from "../../backends/backend.js";
import type { AdminRole } from "../../config/admin-tokens.js";
import { documented } from "./documented.js";
import { goneSignal, type SendLine, sendLines } from "./line-stream.js";
import { tierOf } from "./tier-of.js";

/** Bytes of a body: 10,000 keys of any length, or what says which entries are meant. */
const BODY_LIMIT = 16 * 1024 * 1024;

type Tiered = { tier?: string };
/** What is asked and answered. */
interface Call<T> {
  summary: string;
  asks: Schema<T>;
  answers: Schema<unknown> | OtherType;
}
type Asked<T> = Omit<T, "tier">;

/** Calls of a store's contract as `POST` of JSON, each about the store or one of its tiers. */
export class Calls {
  readonly #app: FastifyInstance;
  readonly #store: Backend;
  readonly #base: string;

  /** @param base of their paths, with a `/` at its end */
  constructor(app: FastifyInstance, store: Backend, base: string) {
    this.#app = app;
    this.#store = store;
    this.#base = base;
  }

  /** A call that is answered in one piece. @param work gets a signal that is given when the client is gone */
  answer<T extends Tiered>(
    [role, name]: [AdminRole, string],
    call: Call<T>,
    work: (backend: Backend, asked: Asked<T>, gone: AbortSignal) => Promise<object>,
    options: { bodyLimit?: number } = {},
  ): void {
    this.#route(role, name, call, options, (backend, asked, reply) => work(backend, asked, goneSignal(reply)));
  }

  /** A call that is answered in lines. */
  lines<T extends Tiered>(
    [role, name]: [AdminRole, string],
    call: Call<T>,
    work: (backend: Backend, asked: Asked<T>, send: SendLine, gone: AbortSignal) => Promise<void>,
  ): void {
    this.#route(role, name, call, {}, (backend, asked, reply) =>
      sendLines(reply, (send, gone) => work(backend, asked, send, gone)),
    );
  }

  /** @param options `bodyLimit` in bytes, for what carries more than keys */
  #route<T extends Tiered>(
    role: AdminRole,
    name: string,
    { summary, asks, answers }: Call<T>,
    options: { bodyLimit?: number },
    work: (backend: Backend, asked: Asked<T>, reply: FastifyReply) => Promise<object>,
  ): void {
    documented(
      this.#app,
      ["POST", `${this.#base}${name}`],
      { role, summary, body: asks, answers: { 200: answers }, bodyLimit: BODY_LIMIT, ...options },
      ({ body: { tier, ...asked } }, reply) => work(tierOf(this.#store, tier), asked, reply),
    );
  }
}
