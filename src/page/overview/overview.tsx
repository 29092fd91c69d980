import type { Route } from "../route.js";

export function Overview(_: { route: Route }) {
  return <h1 tabIndex={-1}>Overview</h1>;
}
