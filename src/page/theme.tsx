import { Cell, useCell } from "./cell.js";

const THEMES = ["auto", "light", "dark"] as const;
/** `auto`: as the system has it. */
export type Theme = (typeof THEMES)[number];

const NAME = "cachectl-theme";
const LABELS: Readonly<Record<Theme, string>> = { auto: "System", light: "Light", dark: "Dark" };

/** What somebody chose in this browser. */
export const theme = new Cell<Theme>("auto");

export function startTheme(): void {
  const kept = stored();
  const known = THEMES.find((one) => one === kept);
  if (known) choose(known);
}

export function ThemeSwitch() {
  const now = useCell(theme);
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "auto";
  return (
    <button type="button" class="quiet" onClick={() => choose(next)} title={`Switch to ${LABELS[next]}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5" />
        <path d="M8 1.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
      </svg>{" "}
      <span class="hidden">Theme: </span>
      {LABELS[now]}
    </button>
  );
}

function choose(chosen: Theme): void {
  if (chosen === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", chosen);
  keep(chosen);
  theme.set(chosen);
}

/** A browser may be told to keep nothing: then it is as the system has it. */
function stored(): string | null {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}

function keep(chosen: Theme): void {
  try {
    localStorage.setItem(NAME, chosen);
  } catch {
    // It holds until the page is loaded again.
  }
}
