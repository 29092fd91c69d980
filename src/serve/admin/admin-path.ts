/** Where proxy and admin API share a port: whether a request-target is the admin API's. */
export function isAdminPath(target: string): boolean {
  const end = target.indexOf("?");
  const path = end < 0 ? target : target.slice(0, end);
  return WHOLE.has(path) || BEGINNINGS.some((beginning) => path.startsWith(beginning));
}

const WHOLE = new Set(["/metrics", "/events"]);
const BEGINNINGS = ["/cache/", "/health/", "/v1/entries/", "/v1/store/"];
