import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";

let admin: AdminUnderTest;
beforeAll(async () => {
  admin = await startAdmin();
});
afterAll(() => admin.stop());

describe("the admin API", () => {
  test("says that it lives to who has no token", async () => {
    const { status, json } = await admin.call("/health/live", { as: null });
    expect([status, json()]).toEqual([200, { status: "ok" }]);
  });
});
