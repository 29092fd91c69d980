/** Characters that `run` had the methods of strings and patterns look at or copy: work that doesn't depend on the machine. Not seen is `text[i]`, and going back within a pattern. */
export function textWork(run: () => void): number {
  const strings = String.prototype;
  const patterns = RegExp.prototype;
  const before = {
    charCodeAt: strings.charCodeAt,
    slice: strings.slice,
    substr: strings.substr,
    split: strings.split,
    indexOf: strings.indexOf,
    includes: strings.includes,
    toLowerCase: strings.toLowerCase,
    replace: strings.replace,
  };
  const { exec, test } = patterns;
  let work = 0;
  strings.charCodeAt = function (at) {
    work += 1;
    return before.charCodeAt.call(this, at);
  };
  strings.slice = function (from, to) {
    const part = before.slice.call(this, from, to);
    work += part.length;
    return part;
  };
  strings.substr = function (from, length) {
    const part = before.substr.call(this, from, length);
    work += part.length;
    return part;
  };
  for (const name of ["split", "indexOf", "includes", "toLowerCase", "replace"] as const) {
    Object.defineProperty(strings, name, {
      configurable: true,
      writable: true,
      value(this: string, ...rest: unknown[]): unknown {
        work += this.length;
        return Reflect.apply(before[name], this, rest);
      },
    });
  }
  patterns.exec = function (text) {
    const from = this.global || this.sticky ? this.lastIndex : 0;
    const match = exec.call(this, text);
    work += (match ? match.index + match[0].length : text.length) - from;
    return match;
  };
  patterns.test = function (text) {
    work += text.length;
    return test.call(this, text);
  };
  try {
    run();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      Object.defineProperty(strings, name, { configurable: true, writable: true, value });
    }
    patterns.exec = exec;
    patterns.test = test;
  }
  return work;
}
