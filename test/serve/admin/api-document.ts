import { request } from "undici";
import { z } from "zod";

type JsonSchema = Exclude<Parameters<typeof z.fromJSONSchema>[0], boolean>;

interface Answer {
  content?: Record<string, { schema?: JsonSchema }>;
}

/** What `GET /openapi.json` says of a route. */
export interface Operation {
  summary: string;
  security: object[];
  responses: Record<string, Answer>;
}

/** The document of a running server, and whether its answers are as that has it. */
export class ApiDocument {
  readonly paths: Readonly<Record<string, Record<string, Operation>>>;
  readonly #error: z.ZodType;
  readonly #schemas = new Map<JsonSchema, z.ZodType>();

  private constructor(paths: ApiDocument["paths"], error: JsonSchema) {
    this.paths = paths;
    this.#error = z.fromJSONSchema(error);
  }

  static async of(url: string): Promise<ApiDocument> {
    const { body } = await request(`${url}/openapi.json`);
    const { paths, components } = (await body.json()) as {
      paths: ApiDocument["paths"];
      components: { schemas: { Error: JsonSchema } };
    };
    return new ApiDocument(paths, components.schemas.Error);
  }

  /** @throws Error where an answer in JSON is not as the document has it, or there is nothing about it */
  check(method: string, target: string, status: number, json: unknown): void {
    const schema =
      status >= 400 && !this.#says(method, target, status) ? this.#error : this.#of(method, target, status);
    const { error } = schema.safeParse(json);
    if (error) throw new Error(`${method} ${target}: ${status} is not as in the document`, { cause: error });
  }

  #says(method: string, target: string, status: number): boolean {
    return this.#operation(method, target)?.responses[status] !== undefined;
  }

  #of(method: string, target: string, status: number): z.ZodType {
    const schema = this.#operation(method, target)?.responses[status]?.content?.["application/json"]?.schema;
    if (schema === undefined) throw new Error(`the document says nothing of ${method} ${target}: ${status}`);
    const known = this.#schemas.get(schema) ?? z.fromJSONSchema(schema);
    this.#schemas.set(schema, known);
    return known;
  }

  #operation(method: string, target: string): Operation | undefined {
    const [path = ""] = target.split("?");
    const exact = this.paths[path];
    const [, operations] = Object.entries(this.paths).find(([one]) => matches(one, path)) ?? [];
    return (exact ?? operations)?.[method.toLowerCase()];
  }
}

function matches(template: string, path: string): boolean {
  const [asked, parts] = [path.split("/"), template.split("/")];
  return parts.length === asked.length && parts.every((part, i) => part.startsWith("{") || part === asked[i]);
}
