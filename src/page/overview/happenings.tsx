import type { Happening } from "../live.js";
import { showKey } from "../text.js";
import { clockTime } from "./plot.js";

const SHOWN = 12;

/** What the stores and the monitor told of since the page was opened. */
export function Happenings({ happenings }: { happenings: readonly Happening[] }) {
  return (
    <section aria-labelledby="happenings" class="card">
      <h2 id="happenings">What happened</h2>
      {happenings.length === 0 ? (
        <p class="hint">Nothing that stores or the monitor told of, since this page was opened.</p>
      ) : (
        <ol class="happenings">
          {happenings.slice(0, SHOWN).map(({ at, message, isBad }) => (
            <li key={`${at} ${message}`}>
              <time dateTime={new Date(at).toISOString()}>{clockTime(at / 1000)}</time>{" "}
              <span class={isBad ? "failure" : ""}>{showKey(message)}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
