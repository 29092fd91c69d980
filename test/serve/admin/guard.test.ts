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

  test("shows figures to who has one, and to nobody else", async () => {
    await admin.get("/a");
    await admin.get("/a");
    const { status, json } = await admin.call("/cache/stats", { as: "viewer" });
    expect(status).toBe(200);
    expect(json()).toMatchObject({
      memory: { size: 1, totalHits: 1, totalMisses: 1, hitRate: 0.5, errors: 0, connected: true },
      totals: { totalHits: 1, totalMisses: 1, hitRate: 0.5 },
    });
    const none = await admin.call("/cache/stats", { as: null });
    expect([none.status, none.fields["www-authenticate"]]).toEqual([401, 'Bearer realm="cachectl"']);
  });
});
