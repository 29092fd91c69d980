import { useEffect, useMemo, useState } from "preact/hooks";
import { callForBytes, queryText } from "../api.js";
import { Failure } from "../browse/failure.js";
import { escapedLines } from "../browse/key-text.js";
import { SCROLLED } from "../browse/scrolled.js";
import { useLoad } from "../browse/use-load.js";
import { showBytes } from "../text.js";
import { hexText } from "./hex.js";
import { jsonPieces } from "./json-text.js";
import { type Entry, readValue, type Value } from "./value.js";

const LABELS = { json: "JSON", text: "Text", image: "Image", hex: "Hex" } as const;
type Kind = keyof typeof LABELS;

/** Bytes that are shown in hex; signs of JSON whose parts have colours; bytes of an image that is fetched. */
const MOST_HEX = 16 * 1024;
const MOST_COLOURED = 100_000;
const MOST_IMAGE = 10 * 1024 * 1024;

interface Props {
  entry: Entry;
  tier: string;
  /** Shows more of a value that is cut; absent where no more of it is shown here. */
  onMore: (() => void) | undefined;
}

/** The value of an entry, as one of what it can be. */
export function ValueView({ entry, tier, onMore }: Props) {
  const value = useMemo(() => readValue(entry), [entry]);
  const [chosen, setChosen] = useState<Kind>();
  const json = value.text === undefined || value.isCut ? undefined : jsonPieces(value.text);
  const kinds = kindsOf(value, json !== undefined);
  const kind = kinds.find((one) => one === chosen) ?? kinds[0];
  return (
    <section class="card" aria-labelledby="value">
      <div class="bar">
        <h2 id="value">Value</h2>
        {kinds.length > 1 && (
          <fieldset class="choice">
            <legend class="hidden">Show the value as</legend>
            {kinds.map((one) => (
              <label key={one}>
                <input type="radio" name="kind" checked={one === kind} onChange={() => setChosen(one)} />
                {LABELS[one]}
              </label>
            ))}
          </fieldset>
        )}
        <Download entry={entry} tier={tier} />
      </div>
      {value.note !== undefined && <p class="hint">{value.note}</p>}
      {value.isCut && (
        <p role="note" class="cut">
          These are the first {showBytes(value.bytes.length)}
          {entry.decoded === undefined && ` of ${showBytes(entry.size ?? 0)}`}.{" "}
          {onMore && (
            <button type="button" onClick={onMore}>
              Show more
            </button>
          )}
        </p>
      )}
      {kind === "image" && <ImageOf entry={entry} tier={tier} value={value} />}
      {kind !== "image" && entry.size === 0 && <p class="hint">The value is empty.</p>}
      {kind !== undefined && kind !== "image" && entry.size !== 0 && (
        <section class="value" aria-label={`The value as ${LABELS[kind]}`} {...SCROLLED}>
          <pre class={kind} dir={kind === "text" ? "auto" : "ltr"}>
            {kind === "hex" && hexText(value.bytes.subarray(0, MOST_HEX))}
            {kind === "text" && escapedLines(value.text ?? "")}
            {kind === "json" && json && <Json pieces={json} />}
          </pre>
        </section>
      )}
      {kind === "hex" && value.bytes.length > MOST_HEX && (
        <p class="hint">In hex only the first {showBytes(MOST_HEX)} are shown.</p>
      )}
    </section>
  );
}

function kindsOf({ text, image }: Value, isJson: boolean): Kind[] {
  const asText: Kind[] = text === undefined ? [] : ["text"];
  const isBinary = text?.includes("\0") ?? false;
  const kinds: Kind[] = [...(image === undefined ? [] : ["image" as const]), ...(isJson ? ["json" as const] : [])];
  return isBinary ? [...kinds, "hex", ...asText] : [...kinds, ...asText, "hex"];
}

function Json({ pieces }: { pieces: NonNullable<ReturnType<typeof jsonPieces>> }) {
  const length = pieces.reduce((sum, { text }) => sum + text.length, 0);
  if (length > MOST_COLOURED) return <>{escapedLines(pieces.map(({ text }) => text).join(""))}</>;
  return (
    <>
      {pieces.map(({ kind, text }) =>
        kind === "mark" ? text : <span class={`json-${kind}`}>{escapedLines(text)}</span>,
      )}
    </>
  );
}

/** Longer addresses than this the server may refuse. */
const LONGEST_KEY = 2000;

/** The browser saves it where its user says; it is never in the memory of the page. */
function Download({ entry: { key, truncated }, tier }: { entry: Entry; tier: string }) {
  if (key.length > LONGEST_KEY) return null;
  return (
    <a class="button" href={rawPath(key, tier)} download="value.bin">
      {truncated ? "Download all of it" : "Download"}
    </a>
  );
}

/** An image in memory that the browser draws, and forgets with it. */
function ImageOf({ entry: { key, size = 0 }, tier, value }: { entry: Entry; tier: string; value: Value }) {
  const { image, isCut, bytes } = value;
  const isTooLarge = isCut && (size > MOST_IMAGE || key.length > LONGEST_KEY);
  const fetched = useLoad(
    `${key} ${size}`,
    isTooLarge
      ? undefined
      : async (signal) =>
          isCut ? callForBytes("GET", "/cache/entry", { query: rawQuery(key, tier), signal }) : new Blob([bytes]),
  );
  const [shown, setShown] = useState<string>();
  const [isBroken, setBroken] = useState(false);
  const blob = fetched.value;
  useEffect(() => {
    if (blob === undefined) return;
    const url = URL.createObjectURL(blob.slice(0, blob.size, image));
    setBroken(false);
    setShown(url);
    return () => URL.revokeObjectURL(url);
  }, [blob, image]);
  if (isTooLarge) return <p class="hint">The image is too large to be shown here.</p>;
  return (
    <>
      <Failure of={fetched.failure} />
      {isBroken && <p class="hint">It begins as an image ({image}), and can't be drawn.</p>}
      {shown !== undefined && !isBroken && (
        <figure class="image">
          <img src={shown} alt={`The value (${image})`} onError={() => setBroken(true)} />
        </figure>
      )}
    </>
  );
}

function rawQuery(key: string, tier: string) {
  return { key, raw: true, tier: tier || undefined };
}

function rawPath(key: string, tier: string): string {
  return `/cache/entry${queryText(rawQuery(key, tier))}`;
}
