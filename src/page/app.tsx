import { useEffect, useState } from "preact/hooks";
import { refusals } from "./api.js";
import { Login } from "./login.js";
import { Notices } from "./notices.js";
import { askSession, sessionLost, useSession } from "./session.js";
import { Shell } from "./shell.js";

/** The page: a login, or what there is to see. */
export function App() {
  const session = useSession();
  const [failure, setFailure] = useState<string>();
  const ask = () => {
    setFailure(undefined);
    askSession().catch((error: unknown) => setFailure(error instanceof Error ? error.message : String(error)));
  };
  useEffect(() => {
    ask();
    return refusals.listen(sessionLost);
  }, []);
  return (
    <>
      {session && <Shell session={session} />}
      {session === null && <Login />}
      {session === undefined && failure !== undefined && (
        <main class="login">
          <p role="alert">The page can't begin: {failure}.</p>
          <button type="button" onClick={ask}>
            Try again
          </button>
        </main>
      )}
      <Notices />
    </>
  );
}
