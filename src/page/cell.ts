import { useEffect, useState } from "preact/hooks";

/** A value that parts of the page share, and are drawn anew for. */
export class Cell<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  /** @returns ends it */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The value, for a component that is drawn anew when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [, draw] = useState({});
  useEffect(() => cell.listen(() => draw({})), [cell]);
  return cell.value;
}
