import { request } from "undici";
import { type AdminRole, type AdminToken, newToken, tokenEntry } from "../../../src/config/admin-tokens.js";
import type { AdminPlace } from "../../../src/serve/server.js";
import type { HttpOrigin } from "../../support/http-origin.js";
import { type ProxySetup, type ProxyUnderTest, startProxy } from "../proxy-harness.js";
import { ApiDocument } from "./api-document.js";

interface Answer {
  status: number;
  fields: Record<string, string | string[] | undefined>;
  text: string;
  json: () => Record<string, unknown>;
}

interface Call {
  method?: string;
  /** Whose token is sent; null: none. Default operator. */
  as?: AdminRole | null;
  fields?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  text?: string;
  /** The type of that. */
  type?: string;
}

/** A proxy with its admin API on a port of its own, and who may call it. */
export interface AdminUnderTest extends ProxyUnderTest {
  readonly url: string;
  readonly tokens: Readonly<Record<AdminRole, string>>;
  /** As the server knows them. */
  readonly known: readonly AdminToken[];
  /** An answer in JSON is held against the API's document. */
  call(path: string, call?: Call): Promise<Answer>;
}

export interface AdminSetup extends ProxySetup {
  admin?: Partial<AdminPlace>;
}

export async function startAdmin(
  setup: AdminSetup = {},
  answer: HttpOrigin["answer"] = hello,
): Promise<AdminUnderTest> {
  const tokens = { viewer: newToken(), operator: newToken() };
  const known = [tokenEntry(tokens.viewer, "v", "viewer"), tokenEntry(tokens.operator, "o", "operator")];
  const place: AdminPlace = {
    ...{ host: "127.0.0.1", port: 0, sharesPort: false, exposed: false, names: [], namespace: "http:" },
    tokens: known,
    ...setup.admin,
  };
  const proxy = await startProxy(answer, { ...setup, options: { ...setup.options, admin: place } });
  const url = proxy.server.adminUrl ?? "";
  // At the proxy's port the document is not there, and behind TLS not for this client.
  const document = place.sharesPort || place.exposed ? undefined : await ApiDocument.of(url);
  const call: AdminUnderTest["call"] = async (
    path,
    { method = "GET", as = "operator", fields = {}, body, text: raw, type } = {},
  ) => {
    const headers = {
      ...(as !== null && { authorization: `Bearer ${tokens[as]}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(type !== undefined && { "content-type": type }),
      ...fields,
    };
    const sent = body === undefined ? (raw ?? null) : JSON.stringify(body);
    const answered = await request(url + path, { method: method as "GET", headers, body: sent });
    const text = await answered.body.text();
    const { statusCode: status, headers: got } = answered;
    const isJson = String(got["content-type"]).startsWith("application/json");
    if (isJson && text !== "") document?.check(method, path, status, JSON.parse(text));
    return { status, fields: got, text, json: () => JSON.parse(text) };
  };
  return { ...proxy, url, tokens, known, call };
}

const hello: HttpOrigin["answer"] = (_request, response) => {
  response.writeHead(200, { "cache-control": "max-age=60" }).end("hello");
};
