import { useEffect, useState } from "preact/hooks";

/** What is shown: a screen, and what about it. */
export interface Route {
  /** `entries` */
  screen: string;
  /** The first of each name; of text of any kind. */
  params: Readonly<Record<string, string>>;
}

/** An address of this page, for `href`. Parameters that are empty or undefined are left out. */
export function hrefOf(screen: string, params: Readonly<Record<string, string | undefined>> = {}): string {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${name}=${encodeURIComponent(escaped(value))}`],
  );
  return `#/${screen}${pairs.length > 0 ? `?${pairs.join("&")}` : ""}`;
}

/** Goes to another screen, or to other parameters of the same. @param replace without a step for the browser's way back */
export function go(screen: string, params: Readonly<Record<string, string | undefined>> = {}, replace = false): void {
  const href = hrefOf(screen, params);
  if (!replace) location.hash = href;
  else {
    history.replaceState(null, "", href);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parse(location.hash));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** An address that somebody wrote by hand may hold anything. */
function parse(hash: string): Route {
  const [, screen = "", query = ""] = /^#\/([a-z-]*)(?:\?(.*))?$/s.exec(hash) ?? [];
  const params: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query.replaceAll("+", "%2B"))) params[name] ??= unescaped(value);
  return { screen, params };
}

/** A lone surrogate, which stands for a byte that is no UTF-8, has no place in a URL. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replace(/\p{Surrogate}/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-f]{4})|(\\))/g, (_all, code: string | undefined) =>
    code === undefined ? "\\" : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
