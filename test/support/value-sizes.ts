import type { Backend, BackendInfo, ScanOptions, ScanPage } from "../../src/backends/backend.js";
import type { Selector } from "../../src/selector.js";

/**
 * A backend that stores more or less than it is given, with the sizes of values where it tells those of what is stored, so that the contract's
 * expectations hold for it as they are.
 * @param storedSize what the store holds for a value of so many bytes
 */
export function withValueSizes(backend: Backend, storedSize: (bytes: number) => number): Backend {
  const inStore = (selector: Selector): Selector =>
    "minSize" in selector && selector.minSize !== undefined
      ? { ...selector, minSize: storedSize(selector.minSize) }
      : selector;

  async function* scan(selector: Selector, options?: ScanOptions): AsyncGenerator<ScanPage> {
    for await (const page of backend.scan(inStore(selector), options)) {
      if (options?.fields === "all") {
        const keys = page.entries.map(({ key }) => key);
        const stored = await backend.getMany(keys, { peek: true });
        for (const [i, info] of page.entries.entries()) if (stored[i]) info.size = stored[i].size;
      }
      yield page;
    }
  }

  async function describe(): Promise<BackendInfo> {
    const info = await backend.describe();
    if (info.bytes === undefined) return info;
    let bytes = 0;
    for await (const page of scan({ all: true }, { fields: "all" }))
      for (const { size } of page.entries) bytes += size ?? 0;
    return { ...info, bytes };
  }

  const deleteWhere: Backend["deleteWhere"] = (selector, options) => backend.deleteWhere(inStore(selector), options);
  const changed: Partial<Backend> = { scan, describe, deleteWhere };
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(changed, name) ? changed : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
