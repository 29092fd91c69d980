import { CacheError } from "../errors.js";
import { showKey } from "../key.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";
import { escapeLine } from "./render/value.js";

interface Asking {
  io: Io;
  out: Output;
  interactive: boolean;
}

interface Counted {
  count: number;
  exact: boolean;
  sample: readonly string[];
}

/**
 * The second step of danger: many entries. The count and a sample are shown, then y/N, unless `--yes` was given. Without a terminal it
 * is refused at once: counting could take minutes.
 */
export async function confirmMany(
  { io, out, interactive }: Asking,
  what: { verb: string; from: string },
  countThem: () => Promise<Counted>,
): Promise<void> {
  if (!interactive) {
    throw new CacheError(
      "refused",
      "needs-confirmation",
      `nobody can be asked whether to ${what.verb} from ${what.from}`,
      {
        hint: "Say --yes if that is meant, or --dry-run to see what would go.",
      },
    );
  }
  const { count, exact, sample } = await countThem();
  if (count === 0) return;
  const entries = `${exact ? "" : "about "}${count} ${count === 1 ? "entry" : "entries"}`;
  out.note(`This would ${what.verb} ${out.errStyle.bold(entries)} from ${what.from}:`);
  for (const key of sample.slice(0, count)) out.note(`  ${showKey(key)}`);
  if (count > sample.length) out.note("  …");
  const { askYesNo } = await import("./prompts.js");
  if (!(await askYesNo(io, `${what.verb} ${entries}?`))) throw notConfirmed();
}

/** The third step: everything. The target's name is typed, or given with `--confirm`. `--yes` is not enough. */
export async function confirmEverything(
  { io, out, interactive }: Asking,
  what: { target: string; given: string | undefined; verb: string },
): Promise<void> {
  if (what.given === what.target) return;
  if (what.given !== undefined) {
    throw new CacheError(
      "refused",
      "wrong-confirmation",
      `--confirm names "${what.given}", the target is "${what.target}"`,
      {
        hint: `Say --confirm=${what.target} if that is meant.`,
      },
    );
  }
  if (!interactive) {
    throw new CacheError("refused", "needs-confirmation", `this would ${what.verb} everything in ${what.target}`, {
      hint: `Say --confirm=${what.target} if that is meant.`,
    });
  }
  out.note(`This would ${what.verb} ${out.errStyle.bold("everything")} in ${escapeLine(what.target)}.`);
  const { askText } = await import("./prompts.js");
  if ((await askText(io, `Type ${escapeLine(what.target)} to go on:`)) !== what.target) throw notConfirmed();
}

function notConfirmed(): CacheError {
  return new CacheError("refused", "not-confirmed", "not confirmed, nothing was done");
}
