import { translate } from "../../namespace-scope.js";
import type { Selector } from "../../selector.js";

/** Keys and selectors of one namespace as the server knows them, which knows none. */
export class Names {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  full(key: string): string {
    return this.#namespace + key;
  }

  bare(full: string): string {
    return full.slice(this.#namespace.length);
  }

  /** Exact: every condition gets longer by the namespace. */
  selector(selector: Selector): Selector {
    const full = translate(selector, this.#namespace, "") ?? { keys: [] };
    return "keys" in full && selector.types !== undefined ? { ...full, types: selector.types } : full;
  }

  /** What a change on the server may hold of this namespace; undefined where it can hold nothing. */
  heard(selector: Selector): Selector | undefined {
    return translate(selector, "", this.#namespace);
  }
}
