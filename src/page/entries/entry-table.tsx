import type { Checked } from "../../api/checked.js";
import type { entriesAnswer } from "../../api/listing.js";
import { KeyText } from "../browse/key-text.js";
import { TagList } from "../browse/tags.js";
import { showAge, showTtl } from "../browse/times.js";
import { hrefOf } from "../route.js";
import { showBytes } from "../text.js";

type Entry = Checked<typeof entriesAnswer>["entries"][number];

/** Entries, one a row. Where there is little room age and tags are left to the entry itself. */
export function EntryTable({ entries, tier }: { entries: readonly Entry[]; tier: string }) {
  return (
    <table class="entries" aria-labelledby="found">
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col">Stored</th>
          <th scope="col">Time left</th>
          <th scope="col" class="roomy">
            Age
          </th>
          <th scope="col" class="roomy">
            Tags
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <Row key={entry.key} entry={entry} tier={tier} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ entry: { key, size, ttl, age, tags, staleIn, type }, tier }: { entry: Entry; tier: string }) {
  return (
    <tr>
      <th scope="row">
        {key === "" ? (
          <span class="hint">an empty key</span>
        ) : (
          <a href={hrefOf("entry", { key, tier })}>
            <KeyText text={key} />
          </a>
        )}
        {type !== undefined && type !== "string" && <span class="badge">{type}</span>}
        {staleIn === 0 && <span class="badge warn">stale</span>}
      </th>
      <td>{size === undefined ? "–" : showBytes(size)}</td>
      <td>{showTtl(ttl)}</td>
      <td class="roomy">{showAge(age)}</td>
      <td class="roomy">{tags.length > 0 ? <TagList tags={tags} /> : <span class="hint">–</span>}</td>
    </tr>
  );
}
