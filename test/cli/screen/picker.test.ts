import { describe, expect, test } from "vitest";
import type { EntryInfo } from "../../../src/backends/backend.js";
import { type Size, textOfLine } from "../../../src/cli/screen/line.js";
import { pickerScreen } from "../../../src/cli/screen/picker-screen.js";
import {
  PICKER_START,
  type PickerState,
  pressedInPicker,
  selected,
  selectorOf,
  withFound,
} from "../../../src/cli/screen/picker-state.js";
import { widthOf } from "../../../src/cli/screen/text-width.js";

const NOW = 1_700_000_000_000;
const TITLE = { message: "Which keys?", from: "sqlite:/x.db" };

const entries = (...keys: string[]): EntryInfo[] =>
  keys.map((key) => ({ key, size: 1500, expiresAt: NOW + 60_000, createdAt: NOW - 5000, tags: ["t"] }));

const listed = (...keys: string[]) => withFound(PICKER_START, entries(...keys), "done");

/** Keys by name; a single character is typed. */
function press(state: PickerState, ...names: string[]): PickerState {
  return names.reduce((now, name) => {
    const next = act(now, name);
    if (typeof next === "string") throw new Error(`${name}: ${next}`);
    return next;
  }, state);
}

function act(state: PickerState, name: string) {
  const ctrl = name.startsWith("^");
  return pressedInPicker(state, { name: ctrl ? name.slice(1) : name, ctrl, text: name.length === 1 ? name : "" });
}

function drawn(state: PickerState, size: Size = { columns: 80, rows: 24 }): string[] {
  return pickerScreen(state, TITLE, NOW, size).lines.map(textOfLine);
}

describe("what is typed", () => {
  test("is a prefix, or a glob where it holds a sign of one", () => {
    expect(selectorOf("")).toEqual({ all: true });
    expect(selectorOf("a:")).toEqual({ prefix: "a:" });
    for (const glob of ["a*", "?", "[ab]", "a\\*"]) expect(selectorOf(glob)).toEqual({ match: glob });
    expect(selectorOf("a", ["hash"])).toEqual({ prefix: "a", types: ["hash"] });
  });

  test("is edited", () => {
    const state = press(PICKER_START, ..."user:one:two");
    expect(press(state, "^w").query).toBe("user:one:");
    expect(press(state, "^w", "^w").query).toBe("user:");
    expect(press(state, "^u").query).toBe("");
    expect(press(state, "backspace").query).toBe("user:one:tw");
    expect(press(PICKER_START, "backspace", "^w", "f5", "^x").query).toBe("");
    const emoji = pressedInPicker(PICKER_START, { name: "", ctrl: false, text: "😀" });
    expect(typeof emoji === "string" ? emoji : press(emoji, "backspace").query).toBe("");
  });

  test("is no control character", () => {
    const pasted = pressedInPicker(PICKER_START, { name: "", ctrl: false, text: "\u0007" });
    expect(pasted).toBe(PICKER_START);
  });
});

describe("what is chosen", () => {
  const three = listed("a", "b", "c");

  test("is where the cursor is, else what was marked, else all that match", () => {
    expect(selected(press(three, "down"))).toEqual({ keys: ["b"] });
    expect(selected(press(three, "tab", "down", "space"))).toEqual({ keys: ["a", "c"] });
    expect(selected(press(three, "tab", "home", "tab"))).toEqual({ keys: ["b"] });
    expect(selected(press(three, "x", "^a"))).toEqual({ prefix: "x" });
    expect(selected(press(three, "^a"))).toEqual({ all: true });
    expect(selected(press(three, "^a", "^a"))).toEqual({ keys: ["a"] });
    expect(act(three, "return")).toBe("accept");
  });

  test("is nothing while the list is still that of another query", () => {
    const typing = press(three, "x");
    expect(act(typing, "return")).toBe(typing);
    expect(act(withFound(typing, [], "done"), "return")).toMatchObject({ found: [] });
    expect(act(withFound(typing, entries("x"), "running"), "return")).toBe("accept");
  });

  test("stays chosen when something else is looked for; all is taken back", () => {
    expect(selected(withFound(press(three, "tab", "z"), entries("z"), "done"))).toEqual({ keys: ["a"] });
    expect(press(three, "^a", "z").all).toBe(false);
  });

  test("can be left", () => {
    expect([act(three, "escape"), act(three, "^d"), act(three, "^c")]).toEqual(["cancel", "cancel", "interrupt"]);
  });
});

test("the cursor stays within the list, and at its entry while more are found", () => {
  const many = listed(...Array.from({ length: 30 }, (_, i) => `k${String(i).padStart(2, "0")}`));
  expect(press(many, "up").at).toBe(0);
  expect(press(many, "end").at).toBe(29);
  expect(press(many, "pagedown", "pagedown", "pageup", "^n", "^p", "up").at).toBe(9);
  expect(press(listed(), "down", "tab").at).toBe(0);
  const later = withFound(press(listed("b", "c"), "down"), entries("a", "b", "c"), "done");
  expect(later.found[later.at]?.key).toBe("c");
  expect(withFound(press(listed("b", "c"), "down"), entries("x"), "done").at).toBe(0);
});

describe("the screen", () => {
  const hostile = ["evil\u001b[2J\u202e", "日本語:".repeat(30), "plain"];

  test("has the question, what was typed, the list, and the value where the cursor is", () => {
    const state = { ...press(listed("a:1", "a:2"), "tab"), query: "a:", preview: { key: "a:2", lines: ["{", "}"] } };
    const screen = drawn(state);
    expect(screen).toHaveLength(24);
    expect(screen[0]).toMatch(/^Which keys\? +sqlite:\/x\.db$/);
    expect(screen[1]).toMatch(/^> a: +1 chosen, 2 found$/);
    expect(screen[2]).toMatch(/^ {2}● a:1 +1m +1\.5 kB$/);
    expect(screen[3]).toMatch(/^❯ ○ a:2 /);
    expect(screen[15]).toMatch(/^── 1\.5 kB {2}ttl 1m {2}age 5s {2}#t ─+$/);
    expect(screen.slice(16, 18)).toEqual(["{", "}"]);
    expect(screen[23]).toContain("enter take");
    expect(pickerScreen(state, TITLE, NOW, { columns: 80, rows: 24 }).cursor).toEqual({ row: 1, column: 4 });
    expect(drawn({ ...state, at: 0 }).join("\n")).not.toContain("{");
  });

  test("folds a long line of a value", () => {
    const line = "0123456789".repeat(9);
    const screen = drawn({ ...listed("a"), preview: { key: "a", lines: [line] } });
    expect(screen.slice(16, 19)).toEqual([line.slice(0, 80), line.slice(80), ""]);
  });

  test("says how far the search is", () => {
    expect(drawn(PICKER_START)[1]).toMatch(/0 found …$/);
    expect(drawn(withFound(PICKER_START, entries("a"), "bounded"))[1]).toMatch(/1\+ found$/);
    expect(drawn(withFound(PICKER_START, [], "done"))[2]).toBe("  there is nothing");
    expect(drawn(withFound(press(PICKER_START, "x"), [], "done"))[2]).toBe("  nothing matches");
    expect(drawn(press(listed("a"), "^a"))[1]).toMatch(/all that match, 1 found$/);
    expect(drawn({ ...listed("a"), failure: "away\u001b" })[1]).toMatch(/✗ away\\x1b$/);
  });

  test.each([
    [40, 10],
    [40, 12],
    [80, 24],
    [120, 40],
    [10, 3],
  ])("fits %i × %i, whatever keys hold", (columns, rows) => {
    const long = "q".repeat(200);
    const state = { ...listed(...hostile), query: long, preview: { key: "evil\u001b[2J\u202e", lines: ["x"] } };
    const { lines, cursor } = pickerScreen(state, TITLE, NOW, { columns, rows });
    expect(lines).toHaveLength(rows);
    for (const line of lines) expect(textOfLine(line)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    for (const line of lines.slice(0, -1)) expect(widthOf(textOfLine(line))).toBeLessThanOrEqual(columns);
    expect(cursor?.column).toBeLessThan(columns);
  });
});
