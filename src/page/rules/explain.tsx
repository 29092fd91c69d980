import { useEffect, useState } from "preact/hooks";
import type { explainAnswer } from "../../api/admin.js";
import type { Checked } from "../../api/checked.js";
import { call } from "../api.js";
import { Facts } from "../browse/facts.js";
import { KeyText } from "../browse/key-text.js";
import { TagList } from "../browse/tags.js";
import { type Loaded, useLoad } from "../browse/use-load.js";
import { go, hrefOf, type Route } from "../route.js";
import { showBytes, showDuration } from "../text.js";

type Explained = Checked<typeof explainAnswer>;

const METHODS = ["GET", "HEAD", "POST"];

/** A request, as it is typed. */
function requestOf({ url = "", method = "GET", headers = "" }: Route["params"]) {
  return { url, method, headers };
}

/** What would become of the request of an address; nothing where it names none. */
export function useExplanation(params: Route["params"]): Loaded<Explained> {
  const { url, method, headers } = requestOf(params);
  const lines = headers.split("\n").map((line) => line.trim());
  const query = { url: url.trim(), method, header: lines.filter((line) => line !== "") };
  return useLoad(
    JSON.stringify(query),
    query.url === "" ? undefined : (signal) => call<Explained>("GET", "/cache/explain", { query, signal }),
  );
}

/** Where a request is typed. */
export function ExplainForm({ params }: Pick<Route, "params">) {
  const asked = requestOf(params);
  const [typed, setTyped] = useState(asked);
  useEffect(() => setTyped(asked), [JSON.stringify(asked)]);
  const change = (part: Partial<typeof asked>) => setTyped((last) => ({ ...last, ...part }));
  return (
    <form
      class="card fields"
      aria-label="Which rule would a request meet?"
      onSubmit={(event) => {
        event.preventDefault();
        go("rules", typed);
      }}
    >
      <h2>Which rule would a request meet?</h2>
      <label class="wide">
        URL
        <input
          type="text"
          inputMode="url"
          autocomplete="off"
          spellcheck={false}
          required
          placeholder="https://www.example.com/blog/1"
          value={typed.url}
          onInput={({ currentTarget }) => change({ url: currentTarget.value })}
        />
      </label>
      <label>
        Method
        <select value={typed.method} onChange={({ currentTarget }) => change({ method: currentTarget.value })}>
          {METHODS.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Header fields, one a line
        <textarea
          rows={2}
          spellcheck={false}
          placeholder="Accept-Language: de"
          value={typed.headers}
          onInput={({ currentTarget }) => change({ headers: currentTarget.value })}
        />
      </label>
      <div class="actions wide">
        <button type="submit" class="main">
          Explain
        </button>
      </div>
    </form>
  );
}

/** What would become of a request, and why. */
export function Explanation({ of: explained }: { of: Explained }) {
  const { method, url, rule, cacheable, because, considered, key, dependsOn, freshness, tags, stored } = explained;
  return (
    <section class="card" aria-labelledby="explained">
      <h2 id="explained">
        {rule === null ? "No rule" : rule}: {cacheable ? "may be cached" : "is not cached"}
      </h2>
      <p>{because[0]?.toUpperCase() + because.slice(1)}.</p>
      <Facts
        of={[
          ["Request", <KeyText text={`${method} ${url}`} isWhole />],
          ["Key", <KeyText text={key} isWhole />],
          ["Depends on", dependsOn.length > 0 && <KeyText text={dependsOn.join(", ")} isWhole />],
          ["Tags", tags.length > 0 && <TagList tags={tags} />],
        ]}
      />
      {freshness.length > 0 && (
        <>
          <h3>How long it is fresh</h3>
          <ol>
            {freshness.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ol>
        </>
      )}
      {considered.length > 0 && (
        <>
          <h3>Rules that were looked at</h3>
          <ol>
            {considered.map(({ place, pattern, because: why }) => (
              <li key={place}>
                {place} <KeyText text={pattern} isWhole />: {why}
              </li>
            ))}
          </ol>
        </>
      )}
      {stored !== undefined && (
        <>
          <h3>Stored now</h3>
          {stored === null ? <p>Nothing.</p> : <Stored of={stored} />}
        </>
      )}
    </section>
  );
}

function Stored({
  of: { key, status, bytes, ageMs, lifetimeMs, lifetimeFrom, use },
}: {
  of: NonNullable<Explained["stored"]>;
}) {
  return (
    <>
      <Facts
        of={[
          ["Status", status],
          ["Size", showBytes(bytes)],
          ["Age", showDuration(ageMs)],
          ["Fresh for", `${showDuration(lifetimeMs)} (${lifetimeFrom})`],
          ["Use", use],
        ]}
      />
      <a href={hrefOf("entry", { key })}>Look at it</a>
    </>
  );
}
