import { useState } from "preact/hooks";
import { ApiError } from "./api.js";
import { logIn } from "./session.js";

/** Asks for a token, which goes to the server once and is kept nowhere in the page. */
export function Login() {
  const [token, setToken] = useState("");
  const [failure, setFailure] = useState<string>();
  const [isAsking, setAsking] = useState(false);
  const submit = async () => {
    setAsking(true);
    setFailure(undefined);
    try {
      await logIn(token.trim());
    } catch (error) {
      const isWrong = error instanceof ApiError && error.status === 401;
      setFailure(isWrong ? "This server does not know that token." : messageOf(error));
      setAsking(false);
    }
  };
  return (
    <main class="login">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() !== "") void submit();
        }}
      >
        <h1>Cache</h1>
        <label>
          Token
          <input
            type="password"
            name="token"
            autocomplete="current-password"
            spellcheck={false}
            value={token}
            aria-invalid={failure !== undefined}
            aria-describedby="login-said"
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <p id="login-said" class="failure" role="alert">
          {failure}
        </p>
        <button type="submit" class="main" disabled={isAsking}>
          Log in
        </button>
        <p class="hint">
          <code>cache serve</code> says at its start in which file the token lies. With a file of tokens,{" "}
          <code>cache serve token</code> makes one.
        </p>
      </form>
    </main>
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `Not logged in: ${error.message}.` : "Not logged in.";
}
