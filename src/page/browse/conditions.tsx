import { tagsFromText } from "./tags.js";

/** Conditions on entries as they are typed; all that are not empty must hold. */
export interface Conditions {
  prefix: string;
  match: string;
  /** As {@link tagsFromText} reads them. */
  tags: string;
  /** `all`: entries that carry every tag. */
  tagMode: string;
}

/** The conditions of an address. */
export function conditionsOf(params: Readonly<Record<string, string>>): Conditions {
  const { prefix = "", match = "", tags = "", tagMode = "" } = params;
  return { prefix, match, tags, tagMode };
}

export function isUnconditional({ prefix, match, tags }: Conditions): boolean {
  return prefix === "" && match === "" && tagsFromText(tags).length === 0;
}

/** As the API takes them; empty where there are none. */
export function filterOf({ prefix, match, tags, tagMode }: Conditions) {
  const named = tagsFromText(tags);
  return {
    ...(prefix !== "" && { prefix }),
    ...(match !== "" && { match }),
    ...(named.length > 0 && { tags: named, ...(tagMode === "all" && { tagMode: "all" as const }) }),
  };
}

interface Props {
  of: Conditions;
  onChange: (change: Partial<Conditions>) => void;
}

/** Where conditions are typed. */
export function ConditionFields({ of: { prefix, match, tags, tagMode }, onChange }: Props) {
  return (
    <>
      <label>
        Key begins with
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          value={prefix}
          onInput={({ currentTarget }) => onChange({ prefix: currentTarget.value })}
        />
      </label>
      <label>
        Key matches the glob
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          placeholder="user:*:profile"
          value={match}
          onInput={({ currentTarget }) => onChange({ match: currentTarget.value })}
        />
      </label>
      <TagFields tags={tags} tagMode={tagMode} onChange={onChange} />
    </>
  );
}

/** Where tags are typed, and whether one of them is enough. */
export function TagFields({ tags, tagMode, onChange }: Pick<Conditions, "tags" | "tagMode"> & Pick<Props, "onChange">) {
  return (
    <>
      <label>
        Tags
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          placeholder="news, sport"
          value={tags}
          onInput={({ currentTarget }) => onChange({ tags: currentTarget.value })}
        />
      </label>
      {tagsFromText(tags).length > 1 && (
        <label>
          Of these tags
          <select value={tagMode} onChange={({ currentTarget }) => onChange({ tagMode: currentTarget.value })}>
            <option value="">any</option>
            <option value="all">all</option>
          </select>
        </label>
      )}
    </>
  );
}
