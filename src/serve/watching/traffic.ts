import type { Socket } from "node:net";
import type { CacheOutcome } from "../../http/cache-status.js";
import type { Client } from "../client.js";
import { failureOf, type Origin, type OriginFailureReason } from "../upstream.js";
import { type BucketFigures, Buckets } from "./buckets.js";

/** What became of a request; `NONE`: it was refused, or its client went away before that was known. */
export const OUTCOMES = ["HIT", "MISS", "STALE", "REVALIDATED", "BYPASS", "NONE"] as const;
export type Outcome = CacheOutcome | "NONE";

/** The first digit of a status; `cut`: the connection ended before the response did. */
export const ANSWERS = ["1xx", "2xx", "3xx", "4xx", "5xx", "cut"] as const;
type Answer = (typeof ANSWERS)[number];

const FAILURES = ["connect", "timeout", "reset", "protocol"] as const satisfies readonly OriginFailureReason[];
/** Of an origin: the first digit of its status, or why there was none. */
type OriginAnswer = Exclude<Answer, "cut"> | OriginFailureReason;

interface RequestCounts {
  readonly answers: Readonly<Record<Answer, number>>;
  /** From the first line of the request to the end of the response. */
  readonly durations: BucketFigures;
}

export interface OriginCounts {
  /** Scheme, host and port, as configured. */
  readonly name: string;
  readonly answers: Readonly<Record<OriginAnswer, number>>;
  /** Until the head of the response was there, or it was known that there would be none. */
  readonly durations: BucketFigures;
}

/** What is counted, as plain data. */
export interface TrafficFigures {
  readonly requests: Readonly<Record<Outcome, RequestCounts>>;
  /** Requests that have not ended. */
  readonly running: number;
  /** Times the store could not be asked, or did not keep what it was given. */
  readonly storeFailures: number;
  /** Changes in the store that were heard of, by what they were. */
  readonly changes: Readonly<Record<"write" | "delete" | "soften" | "gap", number>>;
  /** Purges by what named their responses, and what they did. */
  readonly purges: Readonly<Record<"url" | "prefix" | "glob" | "tag", number>>;
  readonly purged: Readonly<Record<"deleted" | "softened", number>>;
  readonly origins: readonly OriginCounts[];
  readonly connections: number;
  /** Bytes from clients and to them, heads included. */
  readonly bytes: { readonly received: number; readonly sent: number };
}

type Counting<C extends { answers: object }> = Omit<C, "answers" | "durations"> & {
  readonly answers: { -readonly [N in keyof C["answers"]]: number };
  readonly durations: Buckets;
};

/** Plain numbers of what goes through the proxy, since it started: nothing here costs more than an addition. */
export class Traffic implements TrafficFigures {
  readonly requests: Readonly<Record<Outcome, Counting<RequestCounts>>>;
  running = 0;
  storeFailures = 0;
  readonly changes = zeros(["write", "delete", "soften", "gap"]);
  readonly purges = zeros(["url", "prefix", "glob", "tag"]);
  readonly purged = zeros(["deleted", "softened"]);
  readonly #origins = new Map<string, Counting<OriginCounts>>();
  readonly #sockets = new Set<Socket>();
  /** Of connections that have ended. */
  #received = 0;
  #sent = 0;

  /** @param origins URLs of those that are configured: no others are ever named */
  constructor(origins: readonly string[]) {
    const counts = OUTCOMES.map((outcome): [Outcome, Counting<RequestCounts>] => [
      outcome,
      { answers: zeros(ANSWERS), durations: new Buckets() },
    ]);
    this.requests = Object.fromEntries(counts) as Record<Outcome, Counting<RequestCounts>>;
    for (const url of origins) this.#originOf(new URL(url).origin);
  }

  get origins(): readonly OriginCounts[] {
    return [...this.#origins.values()];
  }

  /** As they are now, to be sent elsewhere. */
  get figures(): TrafficFigures {
    const { requests, running, storeFailures, changes, purges, purged, origins, connections, bytes } = this;
    return { requests, running, storeFailures, changes, purges, purged, origins, connections, bytes };
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get bytes(): { received: number; sent: number } {
    let [received, sent] = [this.#received, this.#sent];
    for (const socket of this.#sockets) {
      received += socket.bytesRead;
      sent += socket.bytesWritten;
    }
    return { received, sent };
  }

  connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#received += socket.bytesRead;
      this.#sent += socket.bytesWritten;
    });
  }

  /**
   * @param ms since the request came
   * @param complete the response was not cut short
   */
  ended({ outcome, response }: Client, ms: number, complete: boolean): void {
    const { answers, durations } = this.requests[outcome ?? "NONE"];
    answers[complete ? answerOf(response.statusCode) : "cut"] += 1;
    durations.observe(ms);
  }

  asked(origin: Origin, ms: number, status: number | undefined, failure: unknown): void {
    const { answers, durations } = this.#originOf(origin.url.origin);
    answers[status === undefined ? failureOf(failure, origin.url.origin).reason : answerOf(status)] += 1;
    durations.observe(ms);
  }

  purgedBy(by: keyof Traffic["purges"], deleted: number, softened: number): void {
    this.purges[by] += 1;
    this.purged.deleted += deleted;
    this.purged.softened += softened;
  }

  #originOf(name: string): Counting<OriginCounts> {
    const known = this.#origins.get(name);
    if (known) return known;
    const answers = zeros<OriginAnswer>(["1xx", "2xx", "3xx", "4xx", "5xx", ...FAILURES]);
    const counts = { name, answers, durations: new Buckets() };
    this.#origins.set(name, counts);
    return counts;
  }
}

function answerOf(status: number): Exclude<Answer, "cut"> {
  if (status < 200) return "1xx";
  if (status < 300) return "2xx";
  if (status < 400) return "3xx";
  return status < 500 ? "4xx" : "5xx";
}

function zeros<N extends string>(names: readonly N[]): Record<N, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<N, number>;
}
