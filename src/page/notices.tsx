import { ApiError, isAbort } from "./api.js";
import { Cell, useCell } from "./cell.js";

interface Notice {
  id: number;
  kind: "done" | "failed";
  text: string;
  hint: string | undefined;
}

/** Milliseconds that good news stay; bad news stay until they are put away. */
const STAYS_MS = 6000;
const MOST = 4;

const notices = new Cell<readonly Notice[]>([]);
let last = 0;

/** Says that something was done. */
export function tell(text: string): void {
  const { id } = add("done", text);
  setTimeout(() => remove(id), STAYS_MS);
}

/** Says why something was not done. Calls that were given up are no news. */
export function tellFailure(error: unknown, what: string): void {
  if (isAbort(error) || (error instanceof ApiError && error.status === 401)) return;
  const why = error instanceof Error ? error.message : String(error);
  add("failed", `${what}: ${why}`, error instanceof ApiError ? error.hint : undefined);
}

function add(kind: Notice["kind"], text: string, hint?: string): Notice {
  last += 1;
  const notice = { id: last, kind, text, hint };
  notices.set([...notices.value.filter((one) => one.text !== text).slice(1 - MOST), notice]);
  return notice;
}

function remove(id: number): void {
  notices.set(notices.value.filter((notice) => notice.id !== id));
}

/** A region that screen readers speak when something is put into it; so it is always there. */
export function Notices() {
  const shown = useCell(notices);
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown.map(({ id, kind, text, hint }) => (
        <div key={id} class={`notice ${kind}`}>
          <p>
            {text}
            {hint && <span class="hint"> {hint}</span>}
          </p>
          <button type="button" class="quiet" onClick={() => remove(id)} aria-label="Put away">
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
