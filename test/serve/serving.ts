import { request } from "undici";
import { type BinaryOptions, type RunningBinary, startBinary } from "../support/run-binary.js";
import { until } from "../support/until.js";

export interface Serving {
  readonly running: RunningBinary;
  readonly url: string;
  get(
    path: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; cache: string | string[] | undefined; text: string }>;
}

/** `cache serve` as a process of its own on a free port, when it takes requests. */
export async function startServing(args: readonly string[], options: BinaryOptions = {}): Promise<Serving> {
  const running = startBinary(["serve", "--port", "0", ...args], options);
  const url = await until(() => /https?:\/\/127\.0\.0\.1:\d+/.exec(running.stderr())?.[0], { timeoutMs: 15_000 });
  return {
    running,
    url,
    async get(path, headers = {}) {
      const { statusCode, headers: fields, body } = await request(url + path, { headers });
      return { status: statusCode, cache: fields["x-cache"], text: await body.text() };
    },
  };
}
