import { useState } from "preact/hooks";
import { call } from "../api.js";
import { confirmed } from "../confirm.js";
import { tell, tellFailure } from "../notices.js";
import { go } from "../route.js";
import { showKey } from "../text.js";
import { deleteEntry } from "./changes.js";
import type { Entry } from "./value.js";

interface Props {
  entry: Entry;
  onEdit: () => void;
  onChanged: () => void;
}

/** What an operator can do with one entry; as at the command line nobody is asked about one key. */
export function Actions({ entry: { key, staleIn, version }, onEdit, onChanged }: Props) {
  const [isBusy, setBusy] = useState(false);
  const act = async (what: string, work: () => Promise<void>) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      tellFailure(error, what);
    } finally {
      setBusy(false);
    }
  };
  const makeStale = () =>
    act("Not made stale", async () => {
      await call("PATCH", "/cache/entry", {
        query: { key },
        body: { stale: true, ...(version && { ifVersion: version }) },
      });
      tell(`${nameOf(key)} is stale from now on.`);
      onChanged();
    });
  const remove = () =>
    act("Not deleted", async () => {
      if (!(await confirmed({ title: "Delete the entry", verb: "Delete", danger: { step: "one" } }))) return;
      const { isThere, isPending } = await deleteEntry(key);
      if (isPending) tell(`The store is away: ${nameOf(key)} goes when it is back.`);
      else tell(isThere ? `Deleted ${nameOf(key)}.` : `${nameOf(key)} was gone already.`);
      go("entries");
    });
  return (
    <>
      <button type="button" onClick={onEdit} disabled={isBusy}>
        Edit
      </button>
      {staleIn !== undefined && staleIn > 0 && (
        <button type="button" onClick={makeStale} disabled={isBusy}>
          Make stale
        </button>
      )}
      <button type="button" class="danger" onClick={remove} disabled={isBusy}>
        Delete
      </button>
    </>
  );
}

/** What is told of is read aloud: the whole of a long key would be too much. */
function nameOf(key: string): string {
  const shown = showKey(key);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}
