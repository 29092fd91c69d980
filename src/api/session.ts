import { z } from "zod";

/** What a page logs in with. */
export const loginBody = z.strictObject({ token: z.string().min(1).max(500) });

/** Who calls, by the token or the cookie that came with the call. */
export const sessionAnswer = z.strictObject({
  name: z.string().nullable().describe("of the token, null where there is none that counts"),
  role: z.enum(["viewer", "operator"]).nullable(),
  expiresAt: z.number().nullable().describe("epoch milliseconds at which the cookie ends; null for a token"),
});

/** A part of the admin page. */
export const pageFileParams = z.strictObject({ file: z.string() });
