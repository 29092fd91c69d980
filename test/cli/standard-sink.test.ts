import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { StandardSink } from "../../src/cli/standard-sink.js";
import { tempDir } from "../support/temp-dir.js";

function opened(path: string, flags: number | string): number {
  const descriptor = openSync(path, flags);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

/** A sink, and the stream that it makes when it needs one. */
function sinkOf(descriptor: number) {
  const stream = new PassThrough({ highWaterMark: 10 });
  let made = 0;
  const sink = new StandardSink(descriptor, () => {
    made += 1;
    return stream;
  });
  return { sink, stream, made: () => made };
}

describe("a standard sink", () => {
  test("writes to a file at once, text and bytes, without a stream", () => {
    const path = join(tempDir("sink"), "out");
    const { sink, made } = sinkOf(opened(path, "w"));
    expect([sink.write("é"), sink.write(Buffer.from([1, 2])), sink.isTTY, sink.columns]).toEqual([
      true,
      true,
      false,
      undefined,
    ]);
    expect(readFileSync(path)).toEqual(Buffer.from([0xc3, 0xa9, 1, 2]));
    expect(made()).toBe(0);
  });

  test("leaves to its stream what a full pipe does not take, and all that follows, with who listens", () => {
    const path = join(tempDir("sink"), "pipe");
    execFileSync("mkfifo", [path]);
    const reading = opened(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { sink, stream, made } = sinkOf(opened(path, constants.O_WRONLY | constants.O_NONBLOCK));
    let drained = 0;
    const gone = () => expect.unreachable("it listens no more");
    sink.on("drain", () => {
      drained += 1;
    });
    sink.on("drain", gone);
    sink.off("drain", gone);
    const value = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    expect(sink.write(value)).toBe(false);
    expect(sink.write("end")).toBe(false);
    const taken = Buffer.alloc(value.length);
    const direct = taken.subarray(0, readSync(reading, taken));
    expect(direct.length).toBeGreaterThan(0);
    const whole = Buffer.concat([value, Buffer.from("end")]);
    expect(Buffer.concat([direct, stream.read()]).equals(whole)).toBe(true);
    stream.emit("drain");
    expect([made(), drained]).toEqual([1, 1]);
  });

  test("hands a failure to its stream, whose errors reach who listens and nobody else", () => {
    const path = join(tempDir("sink"), "pipe");
    execFileSync("mkfifo", [path]);
    const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { sink, stream } = sinkOf(opened(path, constants.O_WRONLY));
    closeSync(reading);
    const heard: string[] = [];
    const hear = (error: Error) => heard.push(error.message);
    sink.on("error", hear);
    sink.write("nobody reads");
    expect(stream.read().toString()).toBe("nobody reads");
    stream.emit("error", new Error("broken pipe"));
    sink.off("error", hear);
    stream.emit("error", new Error("still broken"));
    expect(heard).toEqual(["broken pipe"]);
  });

  test("is a stream from the beginning where it is a device, or closed", () => {
    expect(sinkOf(opened("/dev/null", "w")).made()).toBe(1);
    expect(sinkOf(9999).made()).toBe(1);
  });
});
