import { filterOf, type Selector } from "../../../src/selector.js";
import { type Drop, type History, isSourced, type Read, type SourceChange, sourceTags, type Write } from "./records.js";

/**
 * Milliseconds after an answer that was an error, or after the kill, in which what was sent may still happen: it can lie in the buffers of a server that stands still.
 */
const LINGER_MS = 3000;

export interface Judging {
  /** Milliseconds by which a read may be behind. */
  boundOf(read: Read): number;
  /** True if no fault can have touched the read: then a miss is to be explained. */
  isQuiet(read: Read): boolean;
}

export interface Verdict {
  /** Reads that gave a value, each of which was judged. */
  values: number;
  misses: number;
  /** Misses that had to be explained by a deletion, and were looked into. */
  missesJudged: number;
  /** Reads of what nobody can have had any more, or yet. */
  violations: string[];
  /** Misses of what was written, acknowledged and never deleted. */
  lost: string[];
  /** Milliseconds after the answer of a change at which what it replaced was still seen: where all was quiet, and altogether. */
  worstQuietDelay: number;
  worstDelay: number;
}

/** Something that ended what was current before it. */
interface End {
  /** After this it may have happened; what was written before is what it ends. */
  start: number;
  /** By then it had happened. */
  end: number;
  /** The value that was current instead; what is about this value is not ended by it. */
  value?: string;
}

/** Finds the earliest end among all that began after an instant. */
class Ends {
  readonly #sorted: End[];
  /** From each place on, the two earliest ends of different values. */
  readonly #best: [End, End | undefined][] = [];

  constructor(ends: readonly End[]) {
    this.#sorted = [...ends].sort((a, b) => a.start - b.start);
    let best: [End, End | undefined] | undefined;
    for (let i = this.#sorted.length - 1; i >= 0; i--) {
      const one = this.#sorted[i] as End;
      best = better(best, one);
      this.#best[i] = best;
    }
  }

  /** When at the latest a value was over that was there before `after`; infinite where nothing says so. */
  firstAfter(after: number, value: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] as End).start > after) high = middle;
      else low = middle + 1;
    }
    const [first, second] = this.#best[low] ?? [];
    const found = first?.value === value ? second : first;
    return found?.end ?? Number.POSITIVE_INFINITY;
  }
}

function better(best: [End, End | undefined] | undefined, one: End): [End, End | undefined] {
  if (best === undefined) return [one, undefined];
  const [first, second] = best;
  const different = (a: End, b: End) => a.value === undefined || b.value === undefined || a.value !== b.value;
  if (one.end < first.end) return [one, different(one, first) ? first : second];
  if (different(one, first) && (second === undefined || one.end < second.end)) return [first, one];
  return best;
}

/**
 * Judges every read of a history: its value must have been current at some instant between its start, less the bound, and its end. A value ends with the next acknowledged write or deletion that began after its own
 * write was over, and when another value was seen that can only have come after it. This is what every linearizable register fulfils (Gibbons and Korach, Testing shared memories, 1997, for values that are
 * written once); it is necessary, and cheap.
 *
 * What a loader gave is judged by its source: it may not be seen any more after an acknowledged invalidation that began after the source had changed.
 */
export function judge(history: History, judging: Judging): Verdict {
  const verdict: Verdict = {
    values: 0,
    misses: 0,
    missesJudged: 0,
    violations: [],
    lost: [],
    worstQuietDelay: 0,
    worstDelay: 0,
  };
  const groups = new Map<string, Read[]>();
  for (const read of history.reads) {
    const name = `${read.space} ${read.key}`;
    const group = groups.get(name);
    if (group) group.push(read);
    else groups.set(name, [read]);
  }
  for (const [name, reads] of groups) {
    const [space, key] = name.split(" ");
    if (space === undefined || key === undefined) continue;
    const writes = history.writes.filter((write) => write.space === space && write.key === key);
    const drops = history.drops.filter((drop) => drop.space === space);
    const rule = isSourced(key)
      ? new SourceRule(history.sources.filter((change) => change.key === key))
      : new WriteRule(writes, reads, judging);
    const byTags = new Map<string, Ends>();
    const endsFor = (value: string): Ends => {
      const tags = rule.tagsOf(value);
      const id = JSON.stringify(tags);
      const known = byTags.get(id);
      if (known) return known;
      const covering = drops.filter(({ ok, selector }) => ok && holds(selector, key, tags));
      const ends = new Ends([...covering, ...rule.ends]);
      byTags.set(id, ends);
      return ends;
    };
    for (const read of reads) {
      const where = `${read.how} of ${name} by ${read.by} at ${read.start.toFixed(1)}..${read.end.toFixed(1)}`;
      if (read.value === undefined) {
        verdict.misses += 1;
        if (!judging.isQuiet(read) || isSourced(key)) continue;
        verdict.missesJudged += 1;
        // Of all that were acknowledged before, the last to begin has the fewest excuses.
        const written = writes
          .filter(({ ok, end }) => ok && end < read.start)
          .reduce<Write | undefined>(
            (last, one) => (last === undefined || one.start > last.start ? one : last),
            undefined,
          );
        if (written && !mayBeGone(written, read, writes, drops))
          verdict.lost.push(`${where}: a miss, but ${written.value} was written by ${written.end.toFixed(1)}`);
        continue;
      }
      verdict.values += 1;
      const began = rule.began(read.value);
      if (began === undefined) {
        verdict.violations.push(`${where}: ${read.value}, which nobody wrote`);
        continue;
      }
      if (began > read.end)
        verdict.violations.push(`${where}: ${read.value}, before it was written at ${began.toFixed(1)}`);
      const over = endsFor(read.value).firstAfter(rule.settled(read.value), read.value);
      verdict.worstDelay = Math.max(verdict.worstDelay, read.start - over);
      if (judging.isQuiet(read)) verdict.worstQuietDelay = Math.max(verdict.worstQuietDelay, read.start - over);
      const bound = judging.boundOf(read);
      if (over < read.start - bound) {
        const tags = rule.tagsOf(read.value).join();
        verdict.violations.push(
          `${where}: ${read.value} [${tags}], which was over by ${over.toFixed(1)}, ${(read.start - over).toFixed(1)} ms before; allowed ${bound.toFixed(1)}`,
        );
      }
    }
  }
  return verdict;
}

/** True if a deletion may have taken what was written, or what was written over it. */
function mayBeGone(write: Write, read: Read, writes: readonly Write[], drops: readonly Drop[]): boolean {
  const since = drops.filter((drop) => lastOf(drop) >= write.start && drop.start <= read.end);
  const others = writes.filter((other) => lastOf(other) >= write.start && other.start <= read.end);
  return since.some(({ selector }) => others.some(({ tags }) => holds(selector, write.key, tags)));
}

/** What a selector of these histories means, by itself: the code under test is not asked. Globs end with their only star. */
function holds(selector: Selector, key: string, tags: readonly string[]): boolean {
  if ("keys" in selector) return selector.keys.includes(key);
  const { prefix = "", match, tags: wanted } = filterOf(selector);
  if (match !== undefined && !key.startsWith(match.slice(0, -1))) return false;
  return key.startsWith(prefix) && (wanted === undefined || wanted.some((tag) => tags.includes(tag)));
}

/** When something that was not acknowledged can't happen any more. */
function lastOf({ ok, end }: { ok: boolean; end: number }): number {
  return ok ? end : end + LINGER_MS;
}

/** Of a key that is written. */
class WriteRule {
  readonly #writes: ReadonlyMap<string, Write>;
  /** What ends a value besides deletions: other values. */
  readonly ends: readonly End[];

  constructor(writes: readonly Write[], reads: readonly Read[], { boundOf }: Judging) {
    this.#writes = new Map(writes.map((write) => [write.value, write]));
    const seen = reads.flatMap((read) =>
      read.value === undefined ? [] : [{ start: read.start - boundOf(read), end: read.end, value: read.value }],
    );
    this.ends = [...writes.filter(({ ok }) => ok).map(({ start, end, value }) => ({ start, end, value })), ...seen];
  }

  began(value: string): number | undefined {
    return this.#writes.get(value)?.start;
  }

  tagsOf(value: string): readonly string[] {
    return this.#writes.get(value)?.tags ?? [];
  }

  /** After this it is not written once more. */
  settled(value: string): number {
    const write = this.#writes.get(value);
    return write === undefined ? Number.POSITIVE_INFINITY : lastOf(write);
  }
}

/** Of a key that is loaded from a source, whose values are numbers that only grow. */
class SourceRule {
  readonly ends: readonly End[] = [];
  readonly #changes: readonly SourceChange[];

  constructor(changes: readonly SourceChange[]) {
    this.#changes = changes;
  }

  began(value: string): number | undefined {
    const n = numberOf(value);
    return n === 0 ? Number.NEGATIVE_INFINITY : this.#changes.find((change) => change.n === n)?.start;
  }

  tagsOf(value: string): readonly string[] {
    return sourceTags(value.slice(0, value.lastIndexOf(".")));
  }

  /** When the source was known to say something newer. */
  settled(value: string): number {
    const n = numberOf(value);
    const newer = this.#changes.filter((change) => change.ok && change.n > n);
    return newer.reduce((first, { end }) => Math.min(first, end), Number.POSITIVE_INFINITY);
  }
}

const numberOf = (value: string) => Number(value.slice(value.lastIndexOf(".") + 1));
