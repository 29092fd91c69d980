import { useState } from "preact/hooks";
import type { Checked } from "../../api/checked.js";
import type { storeCalls } from "../../api/entries.js";
import { ApiError, call } from "../api.js";
import { Failure } from "../browse/failure.js";
import { KeyText } from "../browse/key-text.js";
import { SCROLLED } from "../browse/scrolled.js";
import { StoreChoice } from "../browse/store-choice.js";
import { useLoad } from "../browse/use-load.js";
import { go, hrefOf, type Route } from "../route.js";
import { useIsOperator } from "../session.js";
import { Actions } from "./actions.js";
import { EditForm } from "./edit-form.js";
import { EntryFacts } from "./entry-facts.js";
import { ForeignItems } from "./foreign-items.js";
import { ResponseHead } from "./response-head.js";
import type { Entry } from "./value.js";
import { ValueView } from "./value-view.js";
import "../browse/browse.css";

/** Bytes of a value that are asked for at first, and when somebody wants more. */
const FIRST = 64 * 1024;
const MORE = 1024 * 1024;

type Foreign = NonNullable<Checked<typeof storeCalls.foreign.answers>["entry"]>;
/** Elements of an entry of the store's own types that are shown. */
const MOST_ITEMS = 200;

/** One entry: what is known of it, its value, and what can be done with it. */
export function EntryScreen({ route: { params } }: { route: Route }) {
  const { key = "", tier = "" } = params;
  const [wants, setWants] = useState({ key, bytes: FIRST });
  const [edited, setEdited] = useState<string>();
  const isOperator = useIsOperator();
  const first = wants.key === key ? wants.bytes : FIRST;
  const look = { key, first, decode: true, ...(tier !== "" && { tier }) };
  const found = useLoad(JSON.stringify(look), (signal) => lookUp(look, signal));
  const { entry, foreign } = found.value ?? {};
  const isEdited = entry !== undefined && edited === key;
  const changed = () => {
    setEdited(undefined);
    found.reload();
  };
  return (
    <>
      <h1 tabIndex={-1}>Entry</h1>
      <section class="card" aria-labelledby="what" aria-busy={found.isLoading}>
        <h2 id="what" class="hidden">
          About the entry
        </h2>
        <section class="name" aria-label="Key" {...SCROLLED}>
          <KeyText text={key} isWhole />
        </section>
        <p role="status" class="hint">
          {found.isLoading && "Looking…"}
        </p>
        {found.failure !== undefined && <Missing failure={found.failure} name={key} />}
        {entry && <EntryFacts entry={entry} />}
        <div class="bar">
          <StoreChoice tier={tier} onChoose={(one) => go("entry", { key, tier: one }, true)} />
          <div class="actions">
            <button type="button" onClick={found.reload}>
              Look again
            </button>
            {entry && isOperator && !isEdited && (
              <Actions entry={entry} onEdit={() => setEdited(key)} onChanged={changed} />
            )}
          </div>
        </div>
      </section>
      {entry && isEdited && <EditForm entry={entry} onSaved={changed} onCancel={() => setEdited(undefined)} />}
      {entry?.response && <ResponseHead response={entry.response} name={key} />}
      {entry && !isEdited && entry.variesOn === undefined && (
        <ValueView
          entry={entry}
          tier={tier}
          onMore={first < MORE && entry.truncated ? () => setWants({ key, bytes: MORE }) : undefined}
        />
      )}
      {foreign && <ForeignItems entry={foreign} name={key} />}
    </>
  );
}

function Missing({ failure, name }: { failure: unknown; name: string }) {
  return (
    <>
      <Failure of={failure} />
      {failure instanceof ApiError && failure.status === 404 && (
        <p>
          It was deleted, or has expired. <a href={hrefOf("entries", { prefix: name.slice(0, 20) })}>Look for others</a>
        </p>
      )}
    </>
  );
}

interface Look {
  key: string;
  first: number;
  decode: boolean;
  tier?: string;
}

/** An entry or, where the store has such, one of another type. The key is in the body: it may be too long for an address. */
async function lookUp(look: Look, signal: AbortSignal): Promise<{ entry?: Entry; foreign?: Foreign }> {
  try {
    return { entry: await call<Entry>("POST", "/cache/entry", { body: look, signal }) };
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    const body = { key: look.key, limit: MOST_ITEMS };
    const other = call<Checked<typeof storeCalls.foreign.answers>>("POST", "/v1/store/foreign", { body, signal });
    const { entry: foreign } = await other.catch(() => ({ entry: null }));
    if (foreign === null) throw failure;
    return { foreign };
  }
}
