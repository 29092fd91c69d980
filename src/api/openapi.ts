import { z } from "zod";
import { VERSION } from "../version.js";
import { errorAnswer } from "./admin.js";

/** What a body of another type than JSON is. */
export interface OtherType {
  type: string;
}

/** What the document says of a route. */
export interface RouteDoc {
  summary: string;
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
  /** By status. What is refused is the same everywhere. */
  answers: Readonly<Record<number, z.ZodType | OtherType>>;
}

export interface DocumentedRoute {
  method: string;
  /** With parameters as `:name`. */
  path: string;
  role: string;
  doc: RouteDoc;
}

/** The OpenAPI 3.1 document of the routes. */
export function openApi(routes: readonly DocumentedRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "cache serve",
      version: VERSION,
      description: "The admin API of a running cache: what is in it, how it does, and what is to go.",
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "cache serve token makes one" } },
      schemas: { Error: schemaOf(errorAnswer, "output") },
    },
  };
}

function operation({ role, doc }: DocumentedRoute): object {
  const { summary, params, query, body, answers } = doc;
  const parameters = [...parametersOf("path", params), ...parametersOf("query", query)];
  const described = Object.entries(answers).map(([status, answer]) => [status, response(answer)]);
  return {
    summary,
    description:
      role === "public" ? "Needs no token." : `Needs the token of ${role === "viewer" ? "a" : "an"} ${role}.`,
    security: role === "public" ? [] : [{ token: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { "application/json": { schema: schemaOf(body, "input") } } },
    }),
    responses: { ...Object.fromEntries(described), default: REFUSED },
  };
}

const REFUSED = {
  description: "Refused, or failed.",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
};

function response(answer: z.ZodType | OtherType): object {
  const content =
    answer instanceof z.ZodType
      ? { "application/json": { schema: schemaOf(answer, "output") } }
      : { [answer.type]: {} };
  return { description: "What was asked for.", content };
}

/** Each property of an object as a parameter. */
function parametersOf(place: "path" | "query", schema: z.ZodType | undefined): object[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" });
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: property,
  }));
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
