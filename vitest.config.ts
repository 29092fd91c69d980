import { defineConfig } from "vitest/config";

/** `npm run test:deep` sets DEEP=1: what is long (a million records, kill rounds, long seeds) and nothing else. */
const deep = process.env.DEEP === "1";

export default defineConfig({
  test: {
    environment: "node",
    include: deep ? ["test/deep/**/*.test.ts"] : ["test/**/*.test.ts"],
    exclude: deep ? [] : ["test/deep/**"],
    globalSetup: ["test/support/global-setup.ts"],
    pool: "forks",
    // Tests wait for servers and processes more than they compute.
    maxWorkers: 2,
    testTimeout: deep ? 1_800_000 : 30_000,
    hookTimeout: deep ? 300_000 : 60_000,
    teardownTimeout: 10_000,
    // A test that passes on the second try is a fault that was not looked at.
    retry: 0,
    allowOnly: false,
  },
});
