import { Facts } from "../browse/facts.js";
import { TagList } from "../browse/tags.js";
import { showAge, showTtl } from "../browse/times.js";
import { hrefOf } from "../route.js";
import { showBytes, showCount, showDuration } from "../text.js";
import type { Entry } from "./value.js";

/** What is known of an entry besides its value. */
export function EntryFacts({
  entry: { size, ttl, age, staleIn, tags, metaSize, variesOn, variants },
}: {
  entry: Entry;
}) {
  return (
    <>
      <Facts
        of={[
          ["Size", size !== undefined && <span title={`${showCount(size)} bytes`}>{showBytes(size)}</span>],
          ["Time left", showTtl(ttl)],
          ["Age", showAge(age)],
          ["Freshness", staleIn !== undefined && <Freshness staleIn={staleIn} />],
          ["Tags", <TagList tags={tags} />],
          ["Kept beside it", metaSize !== undefined && showBytes(metaSize)],
        ]}
      />
      {variesOn && (
        <p>
          This leads to several responses of one URL, which depend on{" "}
          {variesOn.map((names) => names.join(", ")).join(" or ") || "nothing"}. Deleting it makes the cache forget all
          of them. <a href={hrefOf("entries", { prefix: variants })}>Look at them</a>
        </p>
      )}
    </>
  );
}

function Freshness({ staleIn }: { staleIn: number }) {
  if (staleIn > 0) return <>stale in {showDuration(Math.max(staleIn, 1000))}</>;
  return <span class="badge warn">stale</span>;
}
