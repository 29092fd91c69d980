import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of this user's own (0700) for as long as the server runs. */
export class CrewFolder {
  readonly #path = mkdtempSync(join(tmpdir(), "cache-serve-"));

  /** Where the store of all workers lies. */
  get store(): string {
    return join(this.#path, "cache.db");
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
