import type { Checked } from "../../api/checked.js";
import type { storeCalls } from "../../api/entries.js";
import { call } from "../api.js";
import { useLoad } from "./use-load.js";

/** The stores behind the cache, fastest first; none where there is only one. */
function useTiers(): readonly string[] {
  const about = useLoad("tiers", (signal) =>
    call<Checked<typeof storeCalls.about.answers>>("POST", "/v1/store/about", { body: {}, signal }),
  );
  return about.value?.tiers ?? [];
}

/** Which of several stores is looked into. */
export function StoreChoice({ tier, onChoose }: { tier: string; onChoose: (tier: string) => void }) {
  const tiers = useTiers();
  if (tiers.length < 2) return null;
  return (
    <label>
      Store
      <select value={tier} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        <option value="">all together</option>
        {tiers.map((name) => (
          <option key={name} value={name}>
            {name} alone
          </option>
        ))}
      </select>
    </label>
  );
}
