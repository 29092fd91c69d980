import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect } from "vitest";
import { formatHttpDate } from "../../../src/http/http-date.js";
import type { HttpOrigin } from "../../support/http-origin.js";
import { type ProxySetup, type ProxyUnderTest, startProxy } from "../proxy-harness.js";

type Seen = HttpOrigin["seen"][number];

/** What the origin answers to one request: 200 and `answer N` unless it says something else. */
interface Said {
  status?: number;
  fields?: Record<string, string | string[]>;
  body?: string | Buffer;
  /** Without a `Date`. */
  undated?: boolean;
}

export type Answer = Said | ((request: Seen, response: ServerResponse) => void | Promise<void>);

export interface Got {
  status: number;
  /** Names in lower case, lines joined. */
  fields: IncomingHttpHeaders;
  raw: string[];
  text: string;
  /** `X-Cache`. */
  cache: string | string[] | undefined;
  interim: { status: number; fields: IncomingHttpHeaders }[];
  trailers: NodeJS.Dict<string>;
}

/** One URL of the origin, with the requests that it was asked for. */
export class Resource {
  readonly path: string;
  readonly seen: Seen[] = [];
  /** In turn; the last for all that come after. */
  answers: Answer[];
  readonly #site: Site;

  constructor(site: Site, path: string, answers: Answer[]) {
    this.#site = site;
    this.path = path;
    this.answers = answers;
  }

  /** How often the origin was asked. */
  get asked(): number {
    return this.seen.length;
  }

  get(fields?: OutgoingHttpHeaders): Promise<Got> {
    return this.send("GET", fields);
  }

  send(method: string, fields?: OutgoingHttpHeaders, body?: string): Promise<Got> {
    return this.#site.send(method, this.path, fields, body);
  }

  /** What `X-Cache` says of one GET after the other. */
  async outcomes(...requests: OutgoingHttpHeaders[]): Promise<string> {
    const outcomes: unknown[] = [];
    for (const fields of requests) outcomes.push((await this.get(fields)).cache);
    return outcomes.join(" ");
  }

  /** What becomes of the second of two equal requests. */
  async again(fields: OutgoingHttpHeaders = {}): Promise<string> {
    return (await this.outcomes(fields, fields)).split(" ")[1] ?? "";
  }
}

/** A proxy with its origin for all tests of a file, each with URLs of its own. */
export class Site {
  #proxy: ProxyUnderTest | undefined;
  readonly #resources = new Map<string, Resource>();
  readonly #agent = new Agent({ keepAlive: true });
  #number = 0;

  async start(setup: ProxySetup): Promise<void> {
    this.#proxy = await startProxy((seen, response) => this.#answer(seen, response), setup);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.proxy.stop();
    expect(this.proxy.failures).toEqual([]);
  }

  get proxy(): ProxyUnderTest {
    if (this.#proxy === undefined) throw new Error("not started");
    return this.#proxy;
  }

  get now(): number {
    return this.proxy.clock.now();
  }

  resource(...answers: Answer[]): Resource {
    this.#number += 1;
    return this.resourceAt(`/${this.#number}`, ...answers);
  }

  resourceAt(path: string, ...answers: Answer[]): Resource {
    const resource = new Resource(this, path, answers);
    this.#resources.set(path, resource);
    return resource;
  }

  /** Time goes on. */
  wait(seconds: number): void {
    this.proxy.clock.advance(seconds * 1000);
  }

  /** A date of HTTP so many seconds from now. */
  date(seconds = 0): string {
    return formatHttpDate(this.now + seconds * 1000);
  }

  send(method: string, path: string, headers: OutgoingHttpHeaders = {}, body?: string): Promise<Got> {
    const { hostname: host, port } = new URL(this.proxy.server.url);
    const interim: Got["interim"] = [];
    return new Promise((resolve, reject) => {
      const sent = request({ method, path, host, port, headers, agent: this.#agent }, (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("error", reject);
        response.on("end", () => {
          const { statusCode: status = 0, headers: fields, rawHeaders: raw, trailers } = response;
          const text = Buffer.concat(pieces).toString("latin1");
          resolve({ status, fields, raw, text, cache: fields["x-cache"], interim, trailers });
        });
      });
      sent.on("information", ({ statusCode, headers: fields }) => interim.push({ status: statusCode, fields }));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /**
   * What comes back for these bytes, until the connection ends.
   * @param heard is told of all that has come so far
   */
  raw(text: string, heard?: (got: string, socket: Socket) => void): Promise<string> {
    const { port } = new URL(this.proxy.server.url);
    return new Promise((resolve, reject) => {
      let got = "";
      const socket = connect(Number(port), "127.0.0.1", () => socket.write(text, "latin1"));
      socket.setEncoding("latin1");
      socket.on("data", (piece: string) => {
        got += piece;
        heard?.(got, socket);
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(got));
    });
  }

  #answer(seen: Seen, response: ServerResponse): void | Promise<void> {
    const resource = this.#resources.get(seen.url);
    if (resource === undefined) {
      response.writeHead(404, { "cache-control": "no-store" }).end();
      return;
    }
    resource.seen.push(seen);
    const answer = resource.answers[Math.min(resource.asked, resource.answers.length) - 1] ?? {};
    if (typeof answer === "function") return answer(seen, response);
    const { status = 200, fields = {}, body = `answer ${resource.asked}`, undated } = answer;
    if (undated) {
      response.sendDate = false;
      response.removeHeader("date");
    }
    response.statusCode = status;
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
    response.end(seen.method === "HEAD" || status === 304 || status === 204 ? undefined : body);
  }
}

/** An answer that goes out as it stands here, after which the connection ends. @param lines of the head */
export function asWritten(lines: readonly string[], body = ""): Answer {
  return (_, { socket }) => {
    socket?.end(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n${body}`, "latin1");
  };
}

/** Starts before the tests of the file and ends after them; nothing may have failed in the store by then. */
export function siteForTests(setup: ProxySetup = {}): Site {
  const site = new Site();
  beforeAll(() => site.start(setup));
  afterAll(() => site.stop());
  return site;
}
