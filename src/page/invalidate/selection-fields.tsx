import { ConditionFields, TagFields } from "../browse/conditions.js";
import type { By, Typed, What } from "./selection.js";

const WHAT_LABELS: readonly (readonly [What, string])[] = [
  ["entries", "Entries"],
  ["http", "HTTP responses"],
  ["expired", "What has expired"],
  ["all", "Everything"],
];
const BY_LABELS: readonly (readonly [By, string])[] = [
  ["urls", "URL"],
  ["prefix", "Beginning of the URL"],
  ["match", "Glob"],
  ["tags", "Tags"],
];

interface Props {
  of: Typed;
  onChange: (change: Partial<Typed>) => void;
}

/** Where it is said what is to go. */
export function SelectionFields({ of: typed, onChange }: Props) {
  const { what } = typed;
  return (
    <>
      <Choice
        legend="What"
        name="what"
        options={WHAT_LABELS}
        chosen={what}
        onChoose={(one) => onChange({ what: one })}
      />
      {what === "entries" && <ConditionFields of={typed} onChange={onChange} />}
      {what === "http" && <ResponseFields of={typed} onChange={onChange} />}
      {what === "expired" && <p class="hint wide">Entries past their time that the store still holds.</p>}
      {what === "all" && <p class="hint wide">All there is, in every store.</p>}
    </>
  );
}

function ResponseFields({ of: { by, urls, prefix, match, tags, tagMode }, onChange }: Props) {
  return (
    <>
      <Choice legend="By" name="by" options={BY_LABELS} chosen={by} onChoose={(one) => onChange({ by: one })} />
      {by === "urls" && (
        <label class="wide">
          URLs, one a line; each with all its variants
          <textarea
            rows={3}
            spellcheck={false}
            placeholder="https://www.example.com/blog/1"
            value={urls}
            onInput={({ currentTarget }) => onChange({ urls: currentTarget.value })}
          />
        </label>
      )}
      {by === "prefix" && (
        <label class="wide">
          URLs that begin with
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            placeholder="https://www.example.com/blog/"
            value={prefix}
            onInput={({ currentTarget }) => onChange({ prefix: currentTarget.value })}
          />
        </label>
      )}
      {by === "match" && (
        <label class="wide">
          Glob on paths of any host, or on whole URLs
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            placeholder="/blog/*"
            value={match}
            onInput={({ currentTarget }) => onChange({ match: currentTarget.value })}
          />
        </label>
      )}
      {by === "tags" && <TagFields tags={tags} tagMode={tagMode} onChange={onChange} />}
    </>
  );
}

interface ChoiceProps<T extends string> {
  legend: string;
  name: string;
  options: readonly (readonly [T, string])[];
  chosen: T;
  onChoose: (one: T) => void;
}

function Choice<T extends string>({ legend, name, options, chosen, onChoose }: ChoiceProps<T>) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class="choice">
        {options.map(([one, label]) => (
          <label key={one}>
            <input type="radio" name={name} checked={one === chosen} onChange={() => onChoose(one)} />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
