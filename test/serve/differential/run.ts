import type { ServerResponse } from "node:http";
import { formatHttpDate } from "../../../src/http/http-date.js";
import type { ServeListener } from "../../../src/serve/server.js";
import { until } from "../../support/until.js";
import { type Got, Site } from "../conformance/site.js";
import * as model from "./model.js";
import { type Answer, type Step, written, writtenStructured } from "./scenario.js";

/** What the origin did about one step. */
interface Contact {
  step: number;
  id: number;
  answer: Answer;
  said: "cut" | "whole" | "not-modified";
  at: number;
  asked: string;
  method: string;
  request: model.Asked;
  url: string;
}

/** How often the model let the store answer, and how often it did. */
export interface Tally {
  steps: number;
  /** Steps that it could have answered without the origin, by all that the model knows. */
  allowed: number;
  reused: number;
  validated: number;
  onError: number;
}

/** The same requests through a proxy and past a model of what it may do. One of these plays many scenarios, each on URLs of its own. */
export class Differential {
  readonly tally: Tally = { steps: 0, allowed: 0, reused: 0, validated: 0, onError: 0 };
  readonly #site = new Site();
  #received = 0;
  #sent = 0;
  #scenario = 0;
  #lastId = 0;

  async start(): Promise<void> {
    const asked: ServeListener["asked"] = (_, __, status) => {
      if (status !== undefined) this.#received += 1;
    };
    await this.#site.start({ listener: { asked } });
  }

  stop(): Promise<void> {
    return this.#site.stop();
  }

  /** @throws Error that says which step went wrong, and why */
  async play(steps: readonly Step[]): Promise<void> {
    this.#scenario += 1;
    const contents: model.Content[] = [];
    const contacts: Contact[] = [];
    let seen = 0;
    const paths = [0, 1].map((n) => `/${this.#scenario}/${n}`);
    const resources = paths.map((path) =>
      this.#site.resourceAt(path, (request, response) => {
        const step = Number(request.headers["x-step"]);
        const asked = steps[step];
        if (asked === undefined) throw new Error("a request of no step");
        contacts.push(this.#answerOf(request, response, step, asked, path));
      }),
    );
    const learn = () => {
      for (const contact of contacts.slice(seen)) learnFrom(contact, contents);
      seen = contacts.length;
    };
    for (const [i, step] of steps.entries()) {
      // What is under way in the background has arrived, so that it is known when.
      await until(() => this.#received >= this.#sent);
      learn();
      this.#site.wait(step.waitSeconds);
      const request = { method: step.method, fields: step.fields, control: step.control };
      const path = paths[step.url] ?? "";
      const now = this.#site.now;
      const stored = contents.filter(({ url }) => url === path);
      if (reasons(stored, request, now).some(({ why }) => why === undefined)) this.tally.allowed += 1;
      const before = contacts.length;
      const control = step.control.length > 0 ? { "cache-control": written(step.control) } : {};
      const got = await resources[step.url]?.send(step.method, { ...step.fields, ...control, "x-step": `${i}` });
      if (got === undefined) throw new Error("no such URL");
      this.tally.steps += 1;
      const own = contacts.slice(before).filter((contact) => contact.step === i);
      const wrong = this.#judge(got, request, stored, own, now);
      if (wrong !== undefined) throw new Error(`step ${i} (${step.method} ${path}): ${wrong}\n${told(got)}`);
      if (isBackground(got, request, own)) {
        // None comes where the refresh of an earlier step is being stored just now.
        const patience = performance.now() + 2000;
        await until(() => contacts.some((contact) => contact.step === i) || performance.now() > patience);
      }
      settle(got, contacts.slice(before), stored, request);
      learn();
    }
  }

  /** What is wrong with what the client got; undefined where the model would have allowed it. */
  #judge(
    got: Got,
    request: model.Asked,
    stored: readonly model.Content[],
    own: readonly Contact[],
    now: number,
  ): string | undefined {
    const onlyIfCached = request.control.some(({ name }) => name === "only-if-cached");
    const id = Number(got.fields["x-id"]);
    if (got.fields["x-id"] === undefined) {
      if (onlyIfCached && own.length === 0) return got.status === 504 ? undefined : "only-if-cached gets 504";
      return own.at(-1)?.said === "cut" && got.status === 502 ? undefined : "a response of nobody";
    }
    const cached = request.method === "GET" || request.method === "HEAD";
    if (onlyIfCached && cached && own.length > 0 && got.cache !== "STALE")
      return "the origin was asked for what only-if-cached wanted";
    const whole = own.find((contact) => contact.said === "whole" && contact.id === id);
    if (whole) return wrongWithWhole(got, whole);

    // The client's own condition was passed on, and answered by the origin.
    const condition = request.fields["if-none-match"];
    if (
      got.status === 304 &&
      own.some(({ said, asked, id: told }) => said === "not-modified" && told === id && asked === condition)
    ) {
      return undefined;
    }

    const why: string[] = [];
    const validated = own.some(({ said }) => said === "not-modified");
    for (const { content, state, why: against } of reasons(stored, request, now)) {
      if (!fits(got, content, state.id)) continue;
      const wrong = against ?? wrongWithReuse(got, state, now);
      if (wrong === undefined && !validated) {
        this.tally.reused += 1;
        return undefined;
      }
      why.push(`${content.id}: ${wrong ?? "was validated"}`);
    }
    for (const { said, answer, asked, id: update, at } of own) {
      if (said === "not-modified" && update === id) {
        for (const content of stored) {
          for (const state of content.states) {
            const against = model.whyNotChosen(content, state, request) ?? model.whyNotValidated(state, answer, asked);
            const wrong = against ?? wrongWithFields(got, model.updated(state, update, answer, at));
            if (wrong === undefined && fits(got, content, id)) {
              this.tally.validated += 1;
              return undefined;
            }
            why.push(`validated ${content.id}: ${wrong ?? "another content"}`);
          }
        }
      }
      if (said === "cut" || [500, 502, 503, 504].includes(answer.status)) {
        for (const content of stored) {
          for (const state of content.states.filter((one) => fits(got, content, one.id))) {
            const error = said === "cut" ? "cut" : "status";
            const wrong = model.whyNotOnError(content, state, request, now, error) ?? wrongWithReuse(got, state, now);
            if (wrong === undefined) {
              this.tally.onError += 1;
              return undefined;
            }
            why.push(`on error ${content.id}: ${wrong}`);
          }
        }
      }
    }
    return `a response that must not be used: ${why.join("; ") || "unknown"}`;
  }

  #answerOf(
    request: { headers: NodeJS.Dict<string | string[]>; method: string },
    response: ServerResponse,
    number: number,
    { fields, control, method, answer }: Step,
    url: string,
  ): Contact {
    this.#lastId += 1;
    const id = this.#lastId;
    const asked = String(request.headers["if-none-match"] ?? "");
    const contact = { step: number, id, answer, at: this.#site.now, asked, method: request.method, url };
    const of = { request: { method, fields, control } };
    if (answer.kind === "cut") {
      response.destroy();
      return { ...contact, ...of, said: "cut" };
    }
    this.#sent += 1;
    for (const [name, value] of Object.entries(this.#fieldsOf(answer))) response.setHeader(name, value);
    response.setHeader("x-id", `${id}`).setHeader("x-own", `${id}`);
    const plain = answer.tag?.replace("W/", "");
    const read = request.method === "GET" || request.method === "HEAD";
    const known = read && answer.validates && answer.status === 200 && plain !== undefined && asked.includes(plain);
    response.statusCode = known ? 304 : answer.status;
    const empty = known || request.method === "HEAD" || answer.status === 204;
    response.end(empty ? undefined : `content ${id}`);
    return { ...contact, ...of, said: known ? "not-modified" : "whole" };
  }

  #fieldsOf({ control, targeted, expires, age, date, modified, vary, tag }: Answer): Record<string, string> {
    const at = (seconds: number) => formatHttpDate(this.#site.now + seconds * 1000);
    return {
      date: at(date),
      ...(control.length > 0 && { "cache-control": written(control) }),
      ...(targeted && { "cdn-cache-control": writtenStructured(targeted) }),
      ...(expires !== undefined && { expires: expires === "malformed" ? "0" : at(expires) }),
      ...(age !== undefined && { age: `${age}` }),
      ...(modified !== undefined && { "last-modified": at(modified) }),
      ...(vary !== undefined && { vary }),
      ...(tag !== undefined && { etag: tag }),
    };
  }
}

const told = ({ status, fields, text }: Got) => JSON.stringify({ status, text, fields });

/** All that is stored, with why it must not be reused. */
function reasons(stored: readonly model.Content[], request: model.Asked, now: number) {
  return stored.flatMap((content) =>
    content.states.map((state) => ({ content, state, why: model.whyNotReused(content, state, request, now) })),
  );
}

/** Whether this is what the client got. What has no content is known by its fields. */
function fits(got: Got, content: model.Content, id: number): boolean {
  return Number(got.fields["x-id"]) === id && (got.text === "" || got.text === `content ${content.id}`);
}

function wrongWithWhole(got: Got, { answer, id, method }: Contact): string | undefined {
  if (got.status !== answer.status && got.status !== 304) return "another status than the origin gave";
  const empty = method === "HEAD" || answer.status === 204 || got.status === 304;
  return got.text === (empty ? "" : `content ${id}`) ? undefined : "another content than the origin gave";
}

function wrongWithReuse(got: Got, state: model.State, now: number): string | undefined {
  const age = Math.floor(model.ageOf(state, now) / 1000);
  if (got.fields.age !== `${age}`) return `the age is ${age}`;
  if (got.fields["x-own"] !== undefined && !model.mayShow(state, "x-own")) return "a field that is not for others";
  return wrongWithFields(got, state);
}

function wrongWithFields(got: Got, { answer, status }: model.State): string | undefined {
  const tag = got.fields.etag;
  if (got.status !== status && got.status !== 304) return "another status than was stored";
  if (tag !== answer.tag) return `the entity tag is ${answer.tag}`;
  if (got.fields["cache-control"] !== (answer.control.length > 0 ? written(answer.control) : undefined)) {
    return "another Cache-Control than was stored";
  }
  return undefined;
}

/** A stale response was sent while the origin is asked (RFC 5861 §3), unless the client wanted what is stale. */
function isBackground({ fields }: Got, request: model.Asked, own: readonly Contact[]): boolean {
  const wanted = request.control.some(({ name }) => name === "max-stale");
  const left = /; hit; ttl=(-?\d+)/.exec(String(fields["cache-status"]))?.[1];
  return own.length === 0 && !wanted && left !== undefined && Number(left) <= 0;
}

/** What the store has when the client has its answer. */
function settle(got: Got, contacts: readonly Contact[], stored: readonly model.Content[], request: model.Asked): void {
  const noStore = request.control.some(({ name }) => name === "no-store");
  for (const { said, id, answer, at } of contacts) {
    if (said !== "not-modified" || Number(got.fields["x-id"]) !== id || noStore || got.text === "") continue;
    for (const content of stored.filter((one) => fits(got, one, id))) {
      content.states = content.states.map((state) => model.updated(state, id, answer, at));
    }
  }
}

/** What an answer of the origin makes of what may be stored. */
function learnFrom(contact: Contact, contents: model.Content[]): void {
  const { id, answer, said, at, asked, method, request, url } = contact;
  const same = contents.filter((content) => content.url === url && !content.gone);
  if (said === "cut") return;
  const safe = method === "GET" || method === "HEAD" || method === "OPTIONS";
  if (!safe && answer.status < 400) for (const content of same) content.gone = true;
  if (said === "whole" && method === "GET") {
    const state = { id, answer, status: answer.status, receivedAt: at, initialAge: model.initialAgeOf(answer, at) };
    contents.push({ id, url, request: { ...request, method: "GET" }, states: [state], gone: false });
    return;
  }
  if (request.control.some(({ name }) => name === "no-store")) return;
  for (const content of same) {
    if (content.states.some((state) => state.id === id)) continue;
    // Whether it was taken over nobody can see from here.
    const more = content.states.filter((state) => {
      if (said === "not-modified") return model.whyNotValidated(state, answer, asked) === undefined;
      return (
        method === "HEAD" && answer.status === 200 && (answer.tag === undefined || answer.tag === state.answer.tag)
      );
    });
    content.states.push(...more.map((state) => model.updated(state, id, answer, at)));
  }
}
