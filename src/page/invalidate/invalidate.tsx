import { useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../api.js";
import { conditionsOf } from "../browse/conditions.js";
import { Failure } from "../browse/failure.js";
import { KeyText } from "../browse/key-text.js";
import { confirmed, type Danger } from "../confirm.js";
import { hrefOf, type Route } from "../route.js";
import { useIsOperator } from "../session.js";
import { showCount, showKey } from "../text.js";
import { asked, BYS, type Counted, countOf, invalidate, nameOf, type Report, type Typed, WHATS } from "./selection.js";
import { SelectionFields } from "./selection-fields.js";
import "../browse/browse.css";

/** What goes on with a selection. */
type State =
  | { step: "nothing" }
  | { step: "counting" }
  | { step: "counted"; counted: Counted }
  | { step: "going"; done: number }
  | { step: "gone"; report: Report; target: string }
  | { step: "stopped"; done: number }
  | { step: "failed"; failure: unknown };

/** Entries made to go by what they have in common: counted first, and asked about as the command line does. */
export function Invalidate({ route: { params } }: { route: Route }) {
  const isOperator = useIsOperator();
  const [typed, setTyped] = useState(() => typedOf(params));
  const [soft, setSoft] = useState(false);
  const [state, setState] = useState<State>({ step: "nothing" });
  const running = useRef<AbortController>(undefined);
  const said = useRef<HTMLDivElement>(null);
  useEffect(() => {
    setTyped(typedOf(params));
    // What was counted was another selection; what is being deleted goes on, and is shown.
    setState((last) => {
      if (last.step === "counting") running.current?.abort();
      return last.step === "going" ? last : { step: "nothing" };
    });
  }, [JSON.stringify(params)]);
  useEffect(() => () => running.current?.abort(), []);
  const what = asked(typed);
  const isBusy = state.step === "counting" || state.step === "going";

  const attempt = async (work: (signal: AbortSignal) => Promise<State>) => {
    const over = new AbortController();
    running.current = over;
    try {
      setState(await work(over.signal));
    } catch (failure) {
      setState((last) => {
        if (!isAbort(failure)) return { step: "failed", failure };
        return last.step === "going" ? { step: "stopped", done: last.done } : { step: "nothing" };
      });
    }
    said.current?.focus();
  };
  const count = () =>
    attempt(async (signal) => {
      setState({ step: "counting" });
      return { step: "counted", counted: what ? await countOf(what, signal) : NOTHING };
    });
  const go = () =>
    attempt(async (signal) => {
      if (what === undefined) return { step: "nothing" };
      setState({ step: "counting" });
      const counted = await countOf(what, signal);
      setState({ step: "counted", counted });
      const verb = soft ? "Make stale" : "Delete";
      const title = `${verb} ${nameOf(typed)}`;
      if (counted.count === 0 || !(await confirmed({ title, verb, danger: dangerOf(typed, counted) }))) {
        return { step: "counted", counted };
      }
      setState({ step: "going", done: 0 });
      const report = await invalidate(what, soft, signal, (done) => setState({ step: "going", done }));
      return { step: "gone", report, target: counted.target };
    });

  return (
    <>
      <h1 tabIndex={-1}>Invalidate</h1>
      <form
        class="card fields"
        aria-label="What is to go"
        onSubmit={(event) => {
          event.preventDefault();
          void count();
        }}
      >
        <SelectionFields
          of={typed}
          onChange={(change) => {
            setTyped((last) => ({ ...last, ...change }));
            setState({ step: "nothing" });
          }}
        />
        {isOperator && (
          <label class="check wide">
            <input type="checkbox" checked={soft} onChange={({ currentTarget }) => setSoft(currentTarget.checked)} />
            <span>
              Soft: what has a stale window is made stale, and may be used while it is loaded anew; the rest is deleted
            </span>
          </label>
        )}
        <div class="actions wide">
          {isBusy && (
            <button type="button" onClick={() => running.current?.abort()}>
              Stop
            </button>
          )}
          <button type="submit" class="main" disabled={what === undefined || isBusy}>
            Dry run
          </button>
          {isOperator && (
            <button type="button" class="danger" disabled={what === undefined || isBusy} onClick={go}>
              {soft ? "Make stale…" : "Delete…"}
            </button>
          )}
        </div>
      </form>
      <div ref={said} tabIndex={-1} class="said" role="status">
        <Said state={state} />
      </div>
    </>
  );
}

const NOTHING: Counted = { count: 0, exact: true, sample: [], target: "", everything: false };

function Said({ state }: { state: State }) {
  if (state.step === "nothing") return null;
  if (state.step === "failed") return <Failure of={state.failure} />;
  if (state.step === "counting") return <p>Counting…</p>;
  if (state.step === "going") return <p>{showCount(state.done)} so far…</p>;
  if (state.step === "stopped") {
    return <p>Stopped after {showCount(state.done)} or some more. The same again goes on with what is left.</p>;
  }
  if (state.step === "gone") return <p class="card">{reportOf(state.report, state.target)}</p>;
  const { counted } = state;
  return (
    <section class="card" aria-label="Dry run">
      <p>
        That is <strong>{countText(counted)}</strong> of {showKey(counted.target)}
        {counted.sample.length > 0 ? ":" : "."}
      </p>
      {counted.sample.length > 0 && (
        <ul class="keys">
          {counted.sample.map((key) => (
            <li key={key}>
              <a href={hrefOf("entry", { key })}>
                <KeyText text={key} />
              </a>
            </li>
          ))}
          {counted.count > counted.sample.length && <li>…</li>}
        </ul>
      )}
    </section>
  );
}

function countText({ count, exact }: Counted): string {
  if (count === 0) return "no entry";
  return `${exact ? "" : "about "}${showCount(count)} ${count === 1 ? "entry" : "entries"}`;
}

/** A URL and what has expired go without a question, many are shown, and for everything the target's name is typed. */
function dangerOf({ what, by }: Typed, { everything, count, exact, sample, target }: Counted): Danger {
  if (everything) return { step: "everything", target };
  if (what === "expired" || (what === "http" && by === "urls")) return { step: "one" };
  return { step: "many", count, exact, sample };
}

function reportOf({ deleted, softened, complete, pending }: Report, target: string): string {
  if (pending) return `${showKey(target)} is away: it is noted down, and made before the store is used again.`;
  const stale = softened > 0 ? `Made ${showCount(softened)} stale, d` : "D";
  const entries = `${showCount(deleted)} ${deleted === 1 ? "entry" : "entries"}`;
  return `${stale}eleted ${entries} of ${showKey(target)}.${complete ? "" : " There is more left."}`;
}

function typedOf(params: Route["params"]): Typed {
  return {
    ...conditionsOf(params),
    what: WHATS.find((one) => one === params.what) ?? "entries",
    by: BYS.find((one) => one === params.by) ?? "urls",
    urls: params.urls ?? "",
  };
}
