import { expect, test } from "vitest";
import { KEYS, runInPty } from "./pty.js";

const node = (script: string, options = {}) => runInPty(process.execPath, ["-e", script], options);

test("the command has a terminal of the given size, and its exit code comes back", async () => {
  const script =
    "const o = process.stdout; console.log(o.isTTY, process.stdin.isTTY, o.columns, o.rows); process.exit(7)";
  const pty = node(script, { columns: 100, rows: 30 });
  await pty.waitFor("true true 100 30");
  expect(await pty.exit).toBe(7);
});

test("keys are answered, colours are stripped from the text and kept in raw", async () => {
  const pty = node(
    "process.stdout.write('\\x1b[31mname?\\x1b[0m '); process.stdin.once('data', (d) => { console.log('hello ' + d); process.exit() })",
  );
  expect(await pty.waitFor("name? ")).toBe("name? ");
  pty.send(`Ada${KEYS.enter}`);
  await pty.waitFor(/hello Ada/);
  expect(await pty.exit).toBe(0);
  expect(pty.raw()).toContain("\x1b[31m");
  expect(pty.text()).not.toContain("\x1b");
});

test("a resize is heard, Ctrl-C is a signal", async () => {
  const pty = node(
    "process.stdout.on('resize', () => console.log('now', process.stdout.columns)); setInterval(() => {}, 1e3); console.log('ready')",
  );
  await pty.waitFor("ready");
  pty.resize(120, 40);
  await pty.waitFor("now 120");
  pty.send(KEYS.ctrlC);
  expect(await pty.exit).toBe(130);
});

test("text that never comes is an error that shows the terminal", async () => {
  const pty = node("console.log('something else')");
  await expect(pty.waitFor("wanted")).rejects.toThrow(/something else/);
  expect(await pty.exit).toBe(0);
});
