import { spawn } from "node:child_process";

/**
 * Runs every subject in turn, again and again (A B A B …), so that what else the machine does meets all of them alike.
 * @param {Record<string, () => Promise<number>>} subjects each gives what it measured
 * @param {{ runs?: number, warmUps?: number, note?: (text: string) => void }} [options]
 * @returns {Promise<Record<string, { median: number, samples: number[] }>>}
 */
export async function interleave(subjects, { runs = 5, warmUps = 1 } = {}) {
  const samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, /** @type {number[]} */ ([])]));
  for (let run = -warmUps; run < runs; run++) {
    for (const [name, subject] of Object.entries(subjects)) {
      const value = await subject();
      if (run >= 0) samples[name].push(value);
    }
  }
  return Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, summary(list)]));
}

/** @param {number[]} samples */
function summary(samples) {
  return { median: quantile(samples, 0.5), samples: samples.map((value) => Number(value.toPrecision(5))) };
}

/**
 * @param {number[]} values
 * @param {number} q 0 to 1
 */
export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = q * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(middle)] ?? Number.NaN, sorted[Math.ceil(middle)] ?? Number.NaN];
  return low + (high - low) * (middle - Math.floor(middle));
}

/**
 * Runs a program to its end; what it says on stdout and the milliseconds it took.
 * @param {readonly string[]} command
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, input?: import("node:stream").Stream | number, cpu?: number | string }} [options] `cpu`: the only core it may use, or a list
 * @returns {Promise<{ ms: number, stdout: string, stderr: string }>}
 */
export function timed(command, { env, cwd, input, cpu } = {}) {
  const [program, ...args] = cpu === undefined ? command : ["taskset", "-c", String(cpu), ...command];
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, {
      stdio: [input ?? "ignore", "pipe", "pipe"],
      ...(env && { env }),
      ...(cwd && { cwd }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code) => {
      const ms = performance.now() - start;
      if (code === 0) resolve({ ms, stdout, stderr });
      else reject(new Error(`${command.join(" ")} ended with ${code}: ${stderr || stdout}`));
    });
  });
}
