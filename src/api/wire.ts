import type { AtomicStep, NewEntry } from "../backends/backend.js";

/** JSON holds no bytes: values and meta are base64 (RFC 4648 §4) in it. */
type InJson<T> = {
  [K in keyof T]: T[K] extends Uint8Array ? string : T[K] extends Uint8Array | undefined ? string : T[K];
};

type WireStep = { set: InJson<NewEntry> } | { delete: string };

export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

export function toBytes(text: string): Uint8Array {
  return Buffer.from(text, "base64");
}

/** An entry, or what is known of one, as JSON can hold it. */
export function toWire<T extends { value?: Uint8Array; meta?: Uint8Array }>({ value, meta, ...rest }: T) {
  return {
    ...rest,
    ...(value !== undefined && { value: toText(value) }),
    ...(meta !== undefined && { meta: toText(meta) }),
  } as InJson<T>;
}

/** The opposite of {@link toWire}. */
export function fromWire<T extends { value?: string; meta?: string }>({ value, meta, ...rest }: T) {
  return {
    ...rest,
    ...(value !== undefined && { value: toBytes(value) }),
    ...(meta !== undefined && { meta: toBytes(meta) }),
  } as { [K in keyof T]: K extends "value" | "meta" ? Uint8Array : T[K] };
}

export function stepToWire(step: AtomicStep): WireStep {
  return "set" in step ? { set: toWire(step.set) } : step;
}

export function stepFromWire(step: WireStep): AtomicStep {
  return "set" in step ? { set: fromWire(step.set) } : step;
}
