import { escapeLine } from "./value.js";

/** Text for a place in HTML, inside an element or a quoted attribute. */
export function html(text: string): string {
  return escapeLine(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
