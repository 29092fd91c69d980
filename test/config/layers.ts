import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ConfigInput } from "../../src/config/layers.js";
import { loadConfig, type ResolvedConfig } from "../../src/config/load.js";
import { CacheError } from "../../src/errors.js";
import { tempDir } from "../support/temp-dir.js";

/** A home folder with a project in it, and settings resolved there. */
export class Home {
  readonly home = tempDir("home");
  readonly project = join(this.home, "work", "app");

  constructor() {
    mkdirSync(this.project, { recursive: true });
  }

  /** Writes the config file of a folder, default the project's. */
  projectFile(values: object | string, folder = this.project): string {
    return put(join(folder, "cache.config.json"), values);
  }

  userFile(values: object | string): string {
    return put(join(this.home, ".config", "cachectl", "cache.config.json"), values);
  }

  load(input: Partial<ConfigInput> = {}): Promise<ResolvedConfig> {
    return loadConfig({
      flags: {},
      cwd: this.project,
      uid: process.getuid?.(),
      ...input,
      env: { HOME: this.home, ...input.env },
    });
  }

  /** The error that the settings end in. */
  async refusal(input: Partial<ConfigInput> = {}): Promise<CacheError> {
    try {
      await this.load(input);
    } catch (error) {
      if (error instanceof CacheError) return error;
      throw error;
    }
    throw new Error("the settings were taken");
  }
}

function put(path: string, values: object | string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof values === "string" ? values : JSON.stringify(values), { mode: 0o600 });
  return path;
}
