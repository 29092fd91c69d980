export type Yaml = string | number | boolean | null | Yaml[] | { [name: string]: Yaml };

interface Line {
  indent: number;
  text: string;
  number: number;
}

/**
 * Reads the part of YAML that examples are written in: maps, lists, scalars, quoted texts, `[…]` and `{…}` on one line, and blocks after `|`. Stricter than YAML: anything else, a tab, or a
 * name that comes twice, is a mistake.
 */
export function parseYaml(text: string): Yaml {
  const lines: Line[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    if (raw.includes("\t")) throw new Error(`line ${i + 1}: a tab`);
    const kept = raw.trimEnd();
    lines.push({ indent: kept.length - kept.trimStart().length, text: kept.trimStart(), number: i + 1 });
  }
  const reader = new Reader(lines);
  const value = reader.block(0);
  reader.end();
  return value;
}

class Reader {
  #at = 0;
  readonly #lines: readonly Line[];

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  end(): void {
    const left = this.#peek();
    if (left) throw new Error(`line ${left.number}: it belongs to nothing`);
  }

  block(indent: number): Yaml {
    const first = this.#peek();
    if (!first || first.indent < indent) return null;
    return first.text.startsWith("- ") ? this.#list(first.indent) : this.#map(first.indent);
  }

  #list(indent: number): Yaml[] {
    const list: Yaml[] = [];
    for (let line = this.#peek(); line?.indent === indent && line.text.startsWith("- "); line = this.#peek()) {
      const rest = line.text.slice(2).trimStart();
      if (isPair(rest)) {
        // The item is a map, whose first line begins after the dash.
        this.#replace({ ...line, indent: indent + line.text.length - rest.length, text: rest });
        list.push(this.#map(indent + line.text.length - rest.length));
      } else {
        this.#at += 1;
        list.push(scalar(rest, line));
      }
    }
    return list;
  }

  #map(indent: number): { [name: string]: Yaml } {
    const map: { [name: string]: Yaml } = {};
    for (let line = this.#peek(); line && line.indent === indent; line = this.#peek()) {
      const [, name, rest = ""] = PAIR.exec(line.text) ?? [];
      if (name === undefined) throw new Error(`line ${line.number}: no name and value: ${line.text}`);
      if (Object.hasOwn(map, name)) throw new Error(`line ${line.number}: ${name} comes twice`);
      this.#at += 1;
      if (rest === "") map[name] = this.block(indent + 1);
      else map[name] = rest === "|" ? this.#text(indent) : scalar(rest, line);
    }
    return map;
  }

  #text(indent: number): string {
    const lines: string[] = [];
    for (let line = this.#lines[this.#at]; line && (line.text === "" || line.indent > indent); ) {
      lines.push(line.text);
      this.#at += 1;
      line = this.#lines[this.#at];
    }
    return lines.join("\n").trimEnd();
  }

  /** The next line with something on it. */
  #peek(): Line | undefined {
    for (;;) {
      const line = this.#lines[this.#at];
      if (line && line.text !== "" && !line.text.startsWith("#")) return line;
      if (!line) return undefined;
      this.#at += 1;
    }
  }

  #replace(line: Line): void {
    (this.#lines as Line[])[this.#at] = line;
  }
}

const PAIR = /^([A-Za-z_][\w.-]*):(?: (.*))?$/;
const isPair = (text: string) => PAIR.test(text);

function scalar(text: string, { number }: Line): Yaml {
  if (text.startsWith('"')) return JSON.parse(text) as string;
  if (text.startsWith("[")) return JSON.parse(text) as Yaml[];
  if (text === "{}") return {};
  if (text.startsWith("{")) {
    const inside = /^\{ (.*) \}$/.exec(text)?.[1];
    if (inside === undefined) throw new Error(`line ${number}: ${text}`);
    return Object.fromEntries(
      inside.split(", ").map((pair) => {
        const [, name = "", value = ""] = PAIR.exec(pair) ?? [];
        return [name, scalar(value, { indent: 0, text: value, number })];
      }),
    );
  }
  if (/^[&*!|>'%@`]|: | #/.test(text)) throw new Error(`line ${number}: no plain text: ${text}`);
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}
