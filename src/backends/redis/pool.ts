import { CacheError } from "../../errors.js";
import type { Command, Connection, Primary } from "./connection.js";

/** Several connections to one store, among which the calls take turns: for many callers at once. */
export class Pool implements Connection {
  readonly target: string;
  readonly clustered: boolean;
  readonly #members: readonly [Connection, ...Connection[]];
  #turn = 0;

  constructor(members: readonly [Connection, ...Connection[]]) {
    this.#members = members;
    this.target = members[0].target;
    this.clustered = members[0].clustered;
  }

  checkOpen(): void {
    this.#members[0].checkOpen();
  }

  checkAnswering(): void {
    for (const member of this.#members) member.checkAnswering();
  }

  call(command: Command): Promise<unknown> {
    return this.#next().call(command);
  }

  pipelineRaw(commands: readonly Command[]): Promise<unknown[]> {
    return this.#next().pipelineRaw(commands);
  }

  pipeline(commands: readonly Command[]): Promise<unknown[]> {
    return this.#next().pipeline(commands);
  }

  primaries(): Promise<readonly Primary[]> {
    return this.#next().primaries();
  }

  ping(): Promise<number> {
    return this.#next().ping();
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }

  #next(): Connection {
    this.#turn = (this.#turn + 1) % this.#members.length;
    return this.#members[this.#turn] ?? this.#members[0];
  }
}

/** @throws CacheError `invalid-connections` */
export function checkConnections(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= 20) return;
  throw new CacheError("usage", "invalid-connections", `${count} is no number of connections`, {
    hint: "Give a number from 1 to 20.",
  });
}
