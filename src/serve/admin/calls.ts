import type { FastifyInstance, FastifyReply } from "fastify";
import { checked, type Schema } from "../../api/checked.js";
import type { Backend } from "../../backends/backend.js";
import { goneSignal, type SendLine, sendLines } from "./line-stream.js";
import { type Role, tierOf } from "./tier-of.js";

/** Bytes of a body: 10,000 keys of any length, or what says which entries are meant. */
const BODY_LIMIT = 16 * 1024 * 1024;

type Tiered = { tier?: string };
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
    [role, name]: [Role, string],
    schema: Schema<T>,
    work: (backend: Backend, asked: Asked<T>, gone: AbortSignal) => Promise<object>,
    options: { bodyLimit?: number } = {},
  ): void {
    this.#route(role, name, schema, options, (backend, asked, reply) => work(backend, asked, goneSignal(reply)));
  }

  /** A call that is answered in lines. */
  lines<T extends Tiered>(
    [role, name]: [Role, string],
    schema: Schema<T>,
    work: (backend: Backend, asked: Asked<T>, send: SendLine, gone: AbortSignal) => Promise<void>,
  ): void {
    this.#route(role, name, schema, {}, (backend, asked, reply) =>
      sendLines(reply, (send, gone) => work(backend, asked, send, gone)),
    );
  }

  /** @param options `bodyLimit` in bytes, for what carries more than keys */
  #route<T extends Tiered>(
    role: Role,
    name: string,
    schema: Schema<T>,
    options: { bodyLimit?: number },
    work: (backend: Backend, asked: Asked<T>, reply: FastifyReply) => Promise<object>,
  ): void {
    this.#app.post(
      `${this.#base}${name}`,
      { bodyLimit: BODY_LIMIT, ...options, config: { role } },
      (request, reply) => {
        const { tier, ...asked } = checked(schema, request.body);
        return work(tierOf(this.#store, tier), asked, reply);
      },
    );
  }
}
