/** The command line in this process: what it prints, its exit code, and whether its JSON is what its schema says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { SCHEMA_DIRECTORY } from "../../host/build/schema.ts";
import { main } from "../../host/cli/cardcage.ts";

export interface Finished {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a command, and takes what it prints. One at a time: the streams are the process's. */
export async function cardcage(words: readonly string[]): Promise<Finished> {
  const finished: Finished = { code: null, out: "", err: "" };
  const [out, err] = [process.stdout.write, process.stderr.write];
  const take = (where: "out" | "err") => ((chunk: string) => ((finished[where] += chunk), true)) as typeof out;
  process.stdout.write = take("out");
  process.stderr.write = take("err");
  try {
    finished.code = await main(words);
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
  return finished;
}

const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
const validators = new Map<string, ValidateFunction>();

/** What of a value is not as the published schema of a command says; empty when all is. */
export function offences(schema: string, value: unknown): string[] {
  let validate = validators.get(schema);
  if (!validate) {
    const text = readFileSync(join(SCHEMA_DIRECTORY, `${schema}.schema.json`), "utf8");
    validate = ajv.compile(JSON.parse(text));
    validators.set(schema, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${schema}${error.instancePath}: ${ajv.errorsText([error])}`);
}
