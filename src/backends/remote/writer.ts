import { toText } from "../../api/wire.js";
import { CHUNK_BYTES, type EntryWriter, type Lease, type SetOutcome } from "../backend.js";
import { closedWriter } from "../streaming.js";
import { Answer } from "./answers.js";
import { outcomeOf } from "./heads.js";
import type { Duplex } from "./transport.js";

/** A value on its way to the server, on a connection of its own. */
export class RemoteWriter implements EntryWriter {
  readonly #call: Duplex;
  readonly #key: string;
  readonly #full: string;
  #over = false;

  /** @param full the key as the server knows it */
  constructor(call: Duplex, key: string, full: string) {
    this.#call = call;
    this.#key = key;
    this.#full = full;
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#checkOpen();
    for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
      await this.#call.send({ piece: toText(piece.subarray(at, at + CHUNK_BYTES)) });
    }
  }

  async commit(lease?: Lease): Promise<SetOutcome> {
    this.#checkOpen();
    this.#over = true;
    await this.#call.send({ commit: lease ? { ...lease, key: this.#full } : true });
    this.#call.end();
    return outcomeOf(new Answer(await this.#call.next()).text("outcome"));
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#call.destroy();
  }

  #checkOpen(): void {
    if (this.#over) throw closedWriter(this.#key);
  }
}
