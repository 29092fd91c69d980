import { useEffect, useRef, useState } from "preact/hooks";
import type { Checked } from "../../api/checked.js";
import type { entriesAnswer } from "../../api/listing.js";
import { call } from "../api.js";
import { ConditionFields, conditionsOf, filterOf, isUnconditional } from "../browse/conditions.js";
import { Failure } from "../browse/failure.js";
import { StoreChoice } from "../browse/store-choice.js";
import { useLoad } from "../browse/use-load.js";
import { go, hrefOf, type Route } from "../route.js";
import { useIsOperator } from "../session.js";
import { showCount } from "../text.js";
import { EntryTable } from "./entry-table.js";
import "../browse/browse.css";

/** Entries of a page. */
const LIMIT = 50;

/** What is in the cache: searched, page by page. */
export function Entries({ route: { params } }: { route: Route }) {
  const { tier = "", cursor = "", from = "0" } = params;
  const conditions = conditionsOf(params);
  const isOperator = useIsOperator();
  const { tags, ...filter } = filterOf(conditions);
  const query = {
    ...filter,
    ...(tags && { tag: tags }),
    limit: LIMIT,
    tier: tier || undefined,
    cursor: cursor || undefined,
  };
  const page = useLoad(JSON.stringify(query), (signal) =>
    call<Checked<typeof entriesAnswer>>("GET", "/cache/entries", { query, signal }),
  );
  const first = Number.parseInt(from, 10) || 0;
  const results = useRef<HTMLHeadingElement>(null);
  // Who went to another page goes on reading at its beginning.
  const place = useRef(cursor);
  useEffect(() => {
    if (place.current !== cursor) results.current?.focus();
    place.current = cursor;
  }, [cursor]);
  const entries = page.value?.entries ?? [];
  const next = page.value?.cursor;
  return (
    <>
      <h1 tabIndex={-1}>Entries</h1>
      <Search params={params} />
      <section class="card" aria-labelledby="found" aria-busy={page.isLoading}>
        <div class="bar">
          <h2 id="found" ref={results} tabIndex={-1}>
            {entries.length > 0 ? `Entries ${showCount(first + 1)} to ${showCount(first + entries.length)}` : "Entries"}
          </h2>
          <p role="status" class="hint">
            {page.isLoading ? "Searching…" : page.failure === undefined && page.value && said(entries.length, next)}
          </p>
          {page.isLoading ? (
            <button type="button" onClick={page.cancel}>
              Stop
            </button>
          ) : (
            <button type="button" onClick={page.reload}>
              Search again
            </button>
          )}
          {isOperator && entries.length > 0 && (
            <a
              class="button"
              href={hrefOf(
                "invalidate",
                isUnconditional(conditions) ? { what: "all" } : { what: "entries", ...conditions },
              )}
            >
              Invalidate these…
            </a>
          )}
        </div>
        <Failure of={page.failure} />
        {entries.length > 0 && <EntryTable entries={entries} tier={tier} />}
        {(next !== undefined || cursor !== "") && (
          <nav class="pages" aria-label="Pages">
            {cursor !== "" && (
              <a class="button" href={hrefOf("entries", { ...conditions, tier })}>
                First page
              </a>
            )}
            {next !== undefined && (
              <a
                class="button"
                href={hrefOf("entries", { ...conditions, tier, cursor: next, from: String(first + entries.length) })}
              >
                Next page
              </a>
            )}
          </nav>
        )}
      </section>
    </>
  );
}

function said(count: number, next: string | undefined): string {
  const entries = `${showCount(count)} ${count === 1 ? "entry" : "entries"}`;
  if (next !== undefined) return count === 0 ? "None so far, and there are more to look at." : `${entries}, and more.`;
  return count === 0 ? "Nothing matches." : `${entries}, and no more.`;
}

/** What is searched for, until it is sent. */
function Search({ params }: Pick<Route, "params">) {
  const asked = { ...conditionsOf(params), tier: params.tier ?? "" };
  const [typed, setTyped] = useState(asked);
  const name = JSON.stringify(asked);
  // The browser's way back leads to another search.
  useEffect(() => setTyped(asked), [name]);
  const change = (part: Partial<typeof asked>) => setTyped((last) => ({ ...last, ...part }));
  return (
    <search>
      <form
        class="card fields"
        aria-label="Search entries"
        onSubmit={(event) => {
          event.preventDefault();
          go("entries", { ...typed });
        }}
      >
        <ConditionFields of={typed} onChange={change} />
        <StoreChoice tier={typed.tier} onChoose={(tier) => change({ tier })} />
        <div class="actions">
          <button type="submit" class="main">
            Search
          </button>
        </div>
      </form>
    </search>
  );
}
