import { randomBytes } from "node:crypto";
import { checkKey } from "../../key.js";
import type { Lease, LeaseAnswer, LeaseOptions, NewEntry, WriteCall } from "../backend.js";
import { wrap } from "../envelope.js";
import { COMMIT, LEASE, RELEASE, RENEW } from "./lease-scripts.js";
import { type Log, sinceFor } from "./log.js";
import { SILENT } from "./log-entry.js";
import { markStore } from "./marks.js";
import type { RawKey } from "./names.js";
import { pack } from "./pack.js";
import { deleteMany } from "./remove-keys.js";
import { asArray, asInteger, asText } from "./reply.js";
import { type Script, scriptsNeeded } from "./scripts.js";
import { digestOf, memberKey, newSidecar, readSidecar } from "./sidecar.js";
import { baseOf, relativeDeadline, type Store, ttlOf, wrongType } from "./store.js";
import { aroundIndexes, type Tagged } from "./tag-index.js";
import { isTagged } from "./write-singly.js";

/** Where a lease is, and what is there. */
interface Held {
  at: RawKey;
  content: string | Uint8Array;
  inPlace: boolean;
}

/** An entry to be committed; of one in pieces the value is the list of them. */
export type Loaded = NewEntry & { kind?: "pieces" };

/**
 * The right to load a key. Of an absent key of a namespace it is a placeholder in its place, so that whoever deletes or writes the key revokes it, also a client that knows nothing of
 * us. A refresh has the version of its entry for that, and a key beside it; so has the empty namespace, where nothing is put among other people's keys.
 */
export class Leases {
  readonly #store: Store;
  readonly #log: Log;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** @param ms from 1 */
  async lease(key: string, ms: number, { over }: LeaseOptions): Promise<LeaseAnswer> {
    const { connection } = this.#store;
    connection.checkOpen();
    checkKey(key);
    const token = randomBytes(12).toString("base64url");
    const held = this.#held(key, token, over);
    const span = `${Math.max(1, Math.ceil(ms))}`;
    // Who can't do it in one step has the log begin before the lease.
    const before = connection.clustered ? await this.#log.position() : undefined;
    if (connection.clustered && held.inPlace) await markStore(this.#store, ms);
    const record = [this.#store.names.full(key), held.inPlace ? "" : held.at, held.content, over ?? ""];
    const [letter, rest] = asArray(await this.#run(LEASE, key, [pack(record), baseOf(this.#store), span]));
    switch (asText(letter)) {
      case "l": {
        const since = before ?? asText(rest);
        return { outcome: "taken", lease: { key, token, since, ...(over !== undefined && { over }) } };
      }
      case "h":
        return { outcome: "held", waitMs: Math.max(1, asInteger(rest)) };
      case "t":
        throw wrongType(this.#store, key);
      default:
        return { outcome: "changed" };
    }
  }

  async renew({ key, token, over }: Lease, ms: number): Promise<boolean> {
    const { connection } = this.#store;
    connection.checkOpen();
    const { at, content, inPlace } = this.#held(key, token, over);
    if (connection.clustered) {
      await this.#log.position();
      if (inPlace) await markStore(this.#store, ms);
    }
    const span = `${Math.max(1, Math.ceil(ms))}`;
    const packed = pack([at, content, inPlace ? "1" : ""]);
    return (await this.#run(RENEW, key, [packed, baseOf(this.#store), span])) === 1;
  }

  async release({ key, token, over }: Lease): Promise<void> {
    this.#store.connection.checkOpen();
    const { at, content } = this.#held(key, token, over);
    await this.#run(RELEASE, key, [pack([at, content])]);
  }

  async commit(entry: Loaded, lease: Lease, options: WriteCall): Promise<boolean> {
    const { connection } = this.#store;
    connection.checkOpen();
    checkKey(entry.key);
    if (entry.key !== lease.key) return false;
    const note = this.#log.note("write", { keys: [entry.key] }, options.origin);
    const stored = wrap(entry);
    if (!connection.clustered) return this.#commit(entry, stored, lease, sinceFor(lease.since), note);
    const concerned = { key: entry.key, tags: entry.tags ?? [] };
    // What is not going to be stored is not told either: it would end the loads of others.
    if (!(await this.#isOurs(lease))) return false;
    const covers = await this.#log.covers(lease.since);
    if (covers(concerned)) {
      await this.release(lease);
      return false;
    }
    const own = new Set<string>();
    const done = await this.#log.around(note, () => this.#commit(entry, stored, lease, "", SILENT), own);
    if (!done) return false;
    const overtaken = await this.#log.covers(lease.since, own);
    if (!overtaken(concerned)) return true;
    await deleteMany(this.#store, this.#log, [entry.key], { versions: [digestOf(stored)] });
    return false;
  }

  async #isOurs({ key, token, over }: Lease): Promise<boolean> {
    const { at, content } = this.#held(key, token, over);
    const [there] = await this.#store.connection.pipelineRaw([["GET", at]]);
    return Buffer.isBuffer(there) && there.equals(Buffer.from(content));
  }

  async #commit(entry: Loaded, stored: Uint8Array, lease: Lease, since: string, note = SILENT): Promise<boolean> {
    const { names, clock } = this.#store;
    const { key, expiresAt, tags = [], keepDeadline } = entry;
    const now = clock.now();
    const { at, content } = this.#held(key, lease.token, lease.over);
    const deadline = relativeDeadline(expiresAt, now);
    const text = isTagged(entry) ? newSidecar(tags, stored, now) : "";
    const packed = pack([
      names.full(key),
      stored,
      deadline,
      memberKey(key),
      names.sidecar(key),
      text,
      at,
      content,
      lease.over ?? "",
    ]);
    const args = [packed, baseOf(this.#store), keepDeadline ? "1" : "0", since, note.field, note.text];
    const tagged: Tagged = {
      key,
      sidecar: readSidecar(Buffer.from(text)),
      ttl: keepDeadline ? -1 : ttlOf(deadline),
    };
    const work = async () => `${await this.#run(COMMIT, key, args)}`;
    return (await aroundIndexes(this.#store, [tagged], (one) => one, "1", work)) === "1";
  }

  #held(key: string, token: string, over: string | undefined): Held {
    const { names } = this.#store;
    if (over !== undefined || names.namespace === "") return { at: names.lease(key), content: token, inPlace: false };
    const content = wrap({ value: Buffer.from(token), kind: "placeholder" });
    return { at: names.full(key), content, inPlace: true };
  }

  async #run(script: Script, key: string, args: (string | Buffer)[]): Promise<unknown> {
    const { names, scripts } = this.#store;
    const beside = [names.lease(key), names.sidecar(key)];
    const replies = await scripts.runAll(script, [{ route: names.full(key), beside, args }]);
    if (replies === undefined) throw scriptsNeeded("loading a key once over all processes");
    return replies[0];
  }
}
