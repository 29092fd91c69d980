import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../browse/failure.js";
import { tagsFromText, tagsToText } from "../browse/tags.js";
import { showTtl } from "../browse/times.js";
import { tell } from "../notices.js";
import { changeEntry } from "./changes.js";
import { isJson } from "./json-text.js";
import type { Entry } from "./value.js";

interface Props {
  entry: Entry;
  onSaved: () => void;
  onCancel: () => void;
}

/** Another value, deadline or tags for an entry. */
export function EditForm({ entry, onSaved, onCancel }: Props) {
  const why = whyFixed(entry);
  const [value, setValue] = useState(entry.value ?? "");
  const [tags, setTags] = useState(tagsToText(entry.tags));
  const [end, setEnd] = useState<"keep" | "in" | "none">("keep");
  const [ttl, setTtl] = useState("");
  const [failure, setFailure] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector<HTMLElement>("textarea, input, select")?.focus(), []);
  const save = async () => {
    setBusy(true);
    setFailure(undefined);
    try {
      const named = tagsFromText(tags);
      await changeEntry(entry, {
        value: why === undefined && value !== entry.value ? value : undefined,
        ttl: end === "keep" ? undefined : end === "none" ? "none" : ttl.trim(),
        tags: tagsToText(named) === tagsToText(entry.tags) ? undefined : named,
      });
      tell("Saved.");
      onSaved();
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };
  const wasJson = isJson(entry.value ?? "");
  return (
    <form
      ref={form}
      class="card fields"
      aria-label="Edit the entry"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h2>Edit</h2>
      {why === undefined ? (
        <label class="wide">
          Value
          <textarea
            rows={12}
            spellcheck={false}
            value={value}
            aria-describedby="value-said"
            onInput={({ currentTarget }) => setValue(currentTarget.value)}
          />
        </label>
      ) : (
        <p class="hint wide">{why}</p>
      )}
      <p id="value-said" role="status" class="warning wide">
        {why === undefined && wasJson && !isJson(value) && "This is no JSON any more."}
      </p>
      <label>
        Time left ({showTtl(entry.ttl)})
        <select
          value={end}
          onChange={({ currentTarget }) => setEnd(END.find((one) => one === currentTarget.value) ?? "keep")}
        >
          <option value="keep">as it is</option>
          <option value="in">a new one</option>
          <option value="none">never expires</option>
        </select>
      </label>
      {end === "in" && (
        <label>
          Expires in
          <input
            type="text"
            required
            placeholder="1h30m"
            autocomplete="off"
            value={ttl}
            onInput={({ currentTarget }) => setTtl(currentTarget.value)}
          />
        </label>
      )}
      <label>
        Tags, with commas between them
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          value={tags}
          onInput={({ currentTarget }) => setTags(currentTarget.value)}
        />
      </label>
      <div class="wide">
        <Failure of={failure} />
      </div>
      <div class="actions wide">
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="main" disabled={isBusy}>
          Save
        </button>
      </div>
    </form>
  );
}

const END = ["keep", "in", "none"] as const;

/** Why the value of an entry can't be edited here; undefined where it can. */
function whyFixed({ response, variesOn, metaSize, truncated, decoded, value }: Entry): string | undefined {
  if (response || variesOn)
    return "The value is what the origin sent: make it stale, or delete it, to have it fetched anew.";
  if (metaSize !== undefined) return "The value stays: a program keeps something beside it that would get lost.";
  if (decoded !== undefined) return "The value is stored compressed, and stays as it is.";
  if (truncated) return "The value is too large to be edited here.";
  if (value === undefined) return "The value is no text, and stays as it is.";
  // A field of a form makes line feeds of all line ends.
  return value.includes("\r")
    ? "The value has carriage returns, which a form would lose: it stays as it is."
    : undefined;
}
