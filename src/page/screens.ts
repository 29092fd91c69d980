import type { ComponentType } from "preact";
import { Entries } from "./entries/entries.js";
import { EntryScreen } from "./entry/entry.js";
import { Invalidate } from "./invalidate/invalidate.js";
import { Overview } from "./overview/overview.js";
import type { Route } from "./route.js";
import { RulesScreen } from "./rules/rules.js";

/** What can be shown in the page. */
export interface Screen {
  /** In the address: `#/entries`. */
  name: string;
  /** Of the page, and in the navigation. */
  title: string;
  /** Reached from other screens alone. */
  hidden?: boolean;
  /** Is drawn anew with each change of the address. Its first heading is an `h1` with the title. */
  view: ComponentType<{ route: Route }>;
}

/** In the order of the navigation; the first is shown where the address names none. */
export const SCREENS: readonly Screen[] = [
  { name: "overview", title: "Overview", view: Overview },
  { name: "entries", title: "Entries", view: Entries },
  { name: "entry", title: "Entry", view: EntryScreen, hidden: true },
  { name: "invalidate", title: "Invalidate", view: Invalidate },
  { name: "rules", title: "Rules", view: RulesScreen },
];
