import { ApiError } from "../api.js";

/** Why something can't be shown or done. The place is always there, so that it is spoken when something is put into it. */
export function Failure({ of: error }: { of: unknown }) {
  return (
    <div role="alert">
      {error !== undefined && (
        <p class="failure">
          {error instanceof Error ? error.message : String(error)}
          {error instanceof ApiError && error.hint !== undefined && <span class="hint"> {error.hint}</span>}
        </p>
      )}
    </div>
  );
}
