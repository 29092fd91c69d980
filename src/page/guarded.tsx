import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";

/** What fails while it is drawn leaves the rest of the page as it is. */
export function Guarded({ children }: { children: ComponentChildren }) {
  const [error, again] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <div class="card" role="alert">
      <p>This can't be shown: {error instanceof Error ? error.message : String(error)}</p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
