import { useCallback, useEffect, useState } from "preact/hooks";
import { isAbort } from "../api.js";

/** What a call brought, or is about to bring. */
export interface Loaded<T> {
  /** Of the last call that was answered; stays while the next one is under way. */
  value: T | undefined;
  /** Why the last one brought nothing. */
  failure: unknown;
  isLoading: boolean;
  /** Asks again. */
  reload: () => void;
  /** Gives up what is under way. */
  cancel: () => void;
}

/**
 * Calls the server when the screen is shown and whenever `what` changes; a call whose answer nobody waits for any more is given up.
 * @param what names what is asked for
 * @param load undefined: nothing is to be asked for
 */
export function useLoad<T>(what: string, load: ((signal: AbortSignal) => Promise<T>) | undefined): Loaded<T> {
  const [state, setState] = useState<{ value?: T; failure?: unknown; of?: string }>({});
  const [round, setRound] = useState(0);
  const [running, setRunning] = useState<AbortController>();
  useEffect(() => {
    if (load === undefined) return setRunning(undefined);
    const over = new AbortController();
    setRunning(over);
    load(over.signal).then(
      (value) => {
        if (over.signal.aborted) return;
        setState({ value, of: what });
        setRunning(undefined);
      },
      (failure: unknown) => {
        if (isAbort(failure) || over.signal.aborted) return;
        setState({ failure, of: what });
        setRunning(undefined);
      },
    );
    return () => over.abort();
  }, [what, round]);
  const reload = useCallback(() => setRound((last) => last + 1), []);
  const cancel = () => {
    running?.abort();
    setRunning(undefined);
  };
  // What was brought for something else is no answer.
  const current = state.of === what ? state : {};
  return { value: current.value, failure: current.failure, isLoading: running !== undefined, reload, cancel };
}
