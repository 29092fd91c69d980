import type { Checked } from "../api/checked.js";
import type { sessionAnswer } from "../api/session.js";
import { call } from "./api.js";
import { Cell, useCell } from "./cell.js";

type Answer = Checked<typeof sessionAnswer>;

/** Who is logged in. */
export interface Session {
  name: string;
  role: "viewer" | "operator";
  /** The token was given just now, in this page. */
  isNew: boolean;
}

/** `undefined` until the server was asked, `null` where nobody is logged in. */
const session = new Cell<Session | null | undefined>(undefined);

export function useSession(): Session | null | undefined {
  return useCell(session);
}

/** Whether what changes something is shown at all. */
export function useIsOperator(): boolean {
  return useSession()?.role === "operator";
}

/** Asks who is logged in. @throws ApiError */
export async function askSession(): Promise<void> {
  take(await call<Answer>("GET", "/cache/session"));
}

/** @throws ApiError `wrong-token` */
export async function logIn(token: string): Promise<void> {
  take(await call<Answer>("POST", "/cache/session", { body: { token }, isLogin: true }), true);
}

/** @throws ApiError */
export async function logOut(): Promise<void> {
  take(await call<Answer>("DELETE", "/cache/session"));
}

/** The server no longer knows the session: to be logged in to again. */
export function sessionLost(): void {
  session.set(null);
}

function take({ name, role }: Answer, isNew = false): void {
  session.set(name === null || role === null ? null : { name, role, isNew });
}
