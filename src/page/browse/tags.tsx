import { hrefOf } from "../route.js";
import { KeyText } from "./key-text.js";

/** Tags as they are typed: with commas between them; a comma or a backslash of a tag has a backslash before it. */
export function tagsFromText(text: string): string[] {
  const tags = [...text.matchAll(/(?:\\[\s\S]|[^\\,])+/g)].map(([tag]) => tag.trim().replace(/\\([\s\S])/g, "$1"));
  return [...new Set(tags.filter((tag) => tag !== ""))];
}

/** The opposite of {@link tagsFromText}. */
export function tagsToText(tags: readonly string[]): string {
  return tags.map((tag) => tag.replace(/[\\,]/g, "\\$&")).join(", ");
}

/** Each leads to the entries that carry it. */
export function TagList({ tags }: { tags: readonly string[] }) {
  if (tags.length === 0) return <span class="hint">none</span>;
  return (
    <ul class="tags">
      {tags.map((tag) => (
        <li key={tag}>
          <a class="tag" href={hrefOf("entries", { tags: tagsToText([tag]) })}>
            <KeyText text={tag} />
          </a>
        </li>
      ))}
    </ul>
  );
}
