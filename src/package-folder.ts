import { createRequire } from "node:module";
import { dirname } from "node:path";

/** Where this package lies, in a program made of its sources as in the built one: both begin one folder below. */
export function packageFolder(): string {
  return dirname(createRequire(import.meta.url).resolve("../package.json"));
}
