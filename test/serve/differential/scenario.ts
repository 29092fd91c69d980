import fc from "fast-check";

/** A directive as it is meant, and how it is written. */
export interface Directive {
  name: string;
  /** Seconds; or what is no number, where the directive wants one. */
  argument?: number | "malformed";
  /** The one field that it is about. */
  field?: string;
  /** Of the ways to write the same. */
  style: number;
}

/** What the origin answers, if it is asked. */
export interface Answer {
  kind: "response" | "cut";
  status: number;
  control: readonly Directive[];
  /** `CDN-Cache-Control`; absent where that is not sent. */
  targeted: readonly Directive[] | undefined;
  /** Seconds from now, or no date. */
  expires: number | "malformed" | undefined;
  age: number | undefined;
  /** Seconds from now. */
  date: number;
  modified: number | undefined;
  vary: string | undefined;
  tag: string | undefined;
  /** It knows If-None-Match. */
  validates: boolean;
}

/** A request of the client, some time after the one before. */
export interface Step {
  waitSeconds: number;
  method: "GET" | "HEAD" | "POST" | "OPTIONS";
  /** Which of the URLs of the scenario. */
  url: number;
  fields: Readonly<Record<string, string>>;
  control: readonly Directive[];
  answer: Answer;
}

const STYLES = 5;

/** As it stands in a field. */
export function written(directives: readonly Directive[]): string {
  return directives
    .map(({ name, argument, field, style }) => {
      const own = style === 1 ? name.toUpperCase() : name;
      const value = argument === "malformed" ? ["x", "-1", "1.5", "", "9x"][style] : (field ?? argument);
      if (value === undefined) return own;
      return field !== undefined || style === 2 ? `${own}="${value}"` : `${own}=${value}`;
    })
    .join(directives[0]?.style === 3 ? " ,\t" : ",");
}

/** Structured fields have one way to write a number, and names in small letters. */
export function writtenStructured(directives: readonly Directive[]): string {
  return directives
    .map(({ name, argument, field }) => {
      if (field !== undefined) return `${name}="${field}"`;
      if (argument === undefined) return name;
      return argument === "malformed" ? `${name}="x"` : `${name}=${argument}`;
    })
    .join(", ");
}

const seconds = fc.constantFrom(0, 2, 5, 20, 60, 1000);
const style = fc.nat(STYLES - 1);
const plain = (...names: string[]) => fc.record({ name: fc.constantFrom(...names), style });
const timed = (...names: string[]) =>
  fc.record({
    name: fc.constantFrom(...names),
    argument: fc.oneof({ arbitrary: seconds, weight: 12 }, { arbitrary: fc.constant("malformed" as const), weight: 1 }),
    style,
  });

const ofResponses: fc.Arbitrary<Directive[]> = fc.array(
  fc.oneof(
    { arbitrary: timed("max-age"), weight: 8 },
    { arbitrary: timed("s-maxage"), weight: 2 },
    { arbitrary: timed("stale-while-revalidate", "stale-if-error"), weight: 3 },
    { arbitrary: plain("public", "must-revalidate", "proxy-revalidate", "no-cache", "must-understand"), weight: 3 },
    { arbitrary: plain("no-store", "private"), weight: 1 },
    { arbitrary: plain("unknown", "immutable"), weight: 1 },
    {
      arbitrary: fc.record({ name: fc.constantFrom("private", "no-cache"), field: fc.constant("x-own"), style }),
      weight: 1,
    },
  ),
  { maxLength: 3 },
);

const ofRequests: fc.Arbitrary<Directive[]> = fc.oneof(
  { arbitrary: fc.constant<Directive[]>([]), weight: 5 },
  {
    arbitrary: fc.array(
      fc.oneof<fc.Arbitrary<Directive>[]>(
        plain("no-cache", "no-store", "only-if-cached", "max-stale", "unknown"),
        fc.record({
          name: fc.constantFrom("max-age", "max-stale", "min-fresh", "stale-if-error"),
          argument: seconds,
          style,
        }),
      ),
      { minLength: 1, maxLength: 2 },
    ),
    weight: 2,
  },
);

const often = <T>(arbitrary: fc.Arbitrary<T>, weight: number) => fc.option(arbitrary, { nil: undefined, freq: weight });

const answer: fc.Arbitrary<Answer> = fc.record({
  kind: fc.oneof(
    { arbitrary: fc.constant("response" as const), weight: 12 },
    { arbitrary: fc.constant("cut" as const), weight: 1 },
  ),
  status: fc.oneof(
    { arbitrary: fc.constant(200), weight: 8 },
    { arbitrary: fc.constantFrom(204, 301, 302, 404, 410, 500, 503), weight: 3 },
  ),
  control: ofResponses,
  targeted: fc.oneof({ arbitrary: fc.constant(undefined), weight: 8 }, { arbitrary: ofResponses, weight: 1 }),
  expires: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 4 },
    { arbitrary: fc.constantFrom(-5, 0, 10, 60, "malformed" as const), weight: 1 },
  ),
  age: fc.oneof({ arbitrary: fc.constant(undefined), weight: 4 }, { arbitrary: fc.constantFrom(0, 3, 30), weight: 1 }),
  date: fc.oneof({ arbitrary: fc.constant(0), weight: 5 }, { arbitrary: fc.constantFrom(-10, -1, 10), weight: 1 }),
  modified: often(fc.constantFrom(-100, -10_000), 1),
  vary: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 5 },
    { arbitrary: fc.constantFrom("x-a", "x-a, x-b", "X-B", "*"), weight: 2 },
  ),
  tag: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 1 },
    { arbitrary: fc.constantFrom('"a"', '"b"', 'W/"a"'), weight: 3 },
  ),
  validates: fc.oneof({ arbitrary: fc.constant(true), weight: 4 }, { arbitrary: fc.constant(false), weight: 1 }),
});

const fields = fc
  .record({
    "x-a": fc.constantFrom(undefined, undefined, "1", "2"),
    "x-b": fc.constantFrom(undefined, undefined, "1", "2"),
    authorization: fc.oneof(
      { arbitrary: fc.constant(undefined), weight: 9 },
      { arbitrary: fc.constantFrom("Bearer 1", "Bearer 2"), weight: 1 },
    ),
    "if-none-match": fc.oneof(
      { arbitrary: fc.constant(undefined), weight: 8 },
      { arbitrary: fc.constantFrom('"a"', '"b"', 'W/"a"', '"c", "a"', "*"), weight: 1 },
    ),
  })
  .map((all) =>
    Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
  );

const step: fc.Arbitrary<Step> = fc.record({
  waitSeconds: fc.constantFrom(0, 0, 0, 1, 3, 10, 30, 70),
  method: fc.oneof(
    { arbitrary: fc.constant("GET" as const), weight: 20 },
    { arbitrary: fc.constantFrom("HEAD" as const, "POST" as const, "OPTIONS" as const), weight: 3 },
  ),
  url: fc.nat(1),
  fields,
  control: ofRequests,
  answer,
});

export const scenario: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 4, maxLength: 14 });
