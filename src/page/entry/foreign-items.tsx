import { KeyText } from "../browse/key-text.js";
import { SCROLLED } from "../browse/scrolled.js";
import { showCount, showKey } from "../text.js";

interface Foreign {
  type: string;
  items: readonly unknown[];
  truncated: boolean;
}

/** An entry of a type that only Redis has: looked at here, and left to the command line. */
export function ForeignItems({ entry: { type, items, truncated }, name }: { entry: Foreign; name: string }) {
  return (
    <section class="card" aria-labelledby="items">
      <h2 id="items">
        {type} of {truncated ? `more than ${showCount(items.length)}` : showCount(items.length)}
      </h2>
      <p class="hint">
        It goes with{" "}
        <code>
          cache invalidate {showKey(name)} --type {type}
        </code>
        .
      </p>
      <section class="value" aria-label="Elements" {...SCROLLED}>
        <ol>
          {items.map((item) => (
            <li>
              <KeyText text={typeof item === "string" ? item : JSON.stringify(item)} />
            </li>
          ))}
        </ol>
      </section>
    </section>
  );
}
