// Run the scenarios named on stdin, one per line, in one process: loading a client takes longer than using it.
import { createInterface } from "node:readline";
import { inspect } from "node:util";

const LONGEST_MS = 60_000;

for await (const scenario of createInterface({ input: process.stdin })) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still running after ${LONGEST_MS} ms`)), LONGEST_MS);
  });
  const failure = await Promise.race([import(scenario), late]).then(
    () => null,
    (error: unknown) => inspect(error),
  );
  clearTimeout(timer);
  process.stdout.write(`\x04${JSON.stringify(failure)}\n`); // the scenario's output comes before this line
}
process.exit();
