/**
 * Firmware that counts how often each of its basic blocks runs: a copy of the sources under build/, with a counter in front of
 * every block, compiled as it stands otherwise. The counters lie in RAM that the firmware does not use.
 *
 * Counters go into the text, not between lines, so that lines and fault records are those of the sources. A block is a list
 * of statements up to the next one that may go elsewhere; an arm of an `if` without braces gets some. Conditions inside an
 * expression have no counter of their own.
 */
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { BUILD_DIRECTORY } from "../../host/build/build.ts";
import { ROOT } from "../../host/build/compile.ts";
import { reachable } from "../../host/build/imports.ts";
import { inputDigest } from "../../host/build/inputs.ts";
import type { Build } from "../../host/image/manifest.ts";

export interface Block {
  file: string;
  /** The function that it is in. */
  name: string;
  /** Lines on which its statements begin, from 1. */
  lines: number[];
}

export interface Instrumented {
  path: string;
  /** Counter n, a u32 at `counters` + 4 n, is that of blocks[n]. */
  blocks: Block[];
  counters: number;
}

export interface Instrumentation {
  entry: string;
  build: Build;
  /** Which files of the firmware get counters. */
  covers: (file: string) => boolean;
  /** Pages of RAM. */
  pages: number;
}

const PAGE = 65536;
/** RAM for counters, at its end. */
const COUNTERS_OCTETS = PAGE;

/** Statements behind which another block begins. */
function mayDivert(node: ts.Statement): boolean {
  return (
    ts.isIfStatement(node) ||
    ts.isIterationStatement(node, false) ||
    ts.isSwitchStatement(node) ||
    ts.isBlock(node) ||
    ts.isLabeledStatement(node)
  );
}

/** Puts counters into one source; blocks are appended to `blocks`. */
function instrumentText(file: string, text: string, counters: number, blocks: Block[]): string {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const inserts: { at: number; text: string }[] = [];
  const lineOf = (node: ts.Node): number => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const open = (name: string): { block: Block; count: string } => {
    const block = { file, name, lines: [] };
    const at = counters + blocks.length * 4;
    blocks.push(block);
    return { block, count: `store<u32>(${at},load<u32>(${at})+1);` };
  };
  const list = (statements: readonly ts.Statement[], name: string): void => {
    let block: Block | undefined;
    for (const statement of statements) {
      if (block === undefined) {
        const opened = open(name);
        block = opened.block;
        inserts.push({ at: statement.getStart(source), text: opened.count });
      }
      block.lines.push(lineOf(statement));
      walk(statement, name);
      if (mayDivert(statement)) block = undefined;
    }
  };
  const arm = (statement: ts.Statement, name: string): void => {
    if (ts.isBlock(statement)) return list(statement.statements, name);
    const { block, count } = open(name);
    block.lines.push(lineOf(statement));
    inserts.push({ at: statement.getStart(source), text: `{${count}` });
    walk(statement, name);
    inserts.push({ at: statement.getEnd(), text: "}" });
  };
  const walk = (node: ts.Node, name: string): void => {
    if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) {
      if (node.body) list(node.body.statements, node.name?.getText(source) ?? name);
    } else if (ts.isIfStatement(node)) {
      arm(node.thenStatement, name);
      if (node.elseStatement) arm(node.elseStatement, name);
    } else if (ts.isIterationStatement(node, false)) arm(node.statement, name);
    else if (ts.isSwitchStatement(node)) for (const clause of node.caseBlock.clauses) list(clause.statements, name);
    else if (ts.isBlock(node)) list(node.statements, name);
    else ts.forEachChild(node, (child) => walk(child, name));
  };
  source.statements.forEach((statement) => walk(statement, ""));
  // Of two at one place the one that was meant first stands first; from the end, so that places stay true.
  const order = inserts.map((insert, n) => ({ ...insert, n })).sort((a, b) => b.at - a.at || b.n - a.n);
  return order.reduce((out, { at, text: what }) => out.slice(0, at) + what + out.slice(at), text);
}

/** Compiles an entry with counters. What is up to date is left alone. */
export function instrument(job: Instrumentation): Instrumented {
  const counters = job.pages * PAGE - COUNTERS_OCTETS;
  const files = [...reachable([join(ROOT, job.entry)])].map((file) => relative(ROOT, file));
  const covered = files.filter((file) => file.startsWith("assembly/") && job.covers(file)).sort();
  const self = createHash("sha256")
    .update(readFileSync(new URL(import.meta.url)))
    .digest("hex");
  const parameters = `counted ${job.build} ${job.pages} ${self} ${covered.join(" ")}`;
  const digest = createHash("sha256")
    .update(inputDigest(join(ROOT, job.entry), [], parameters))
    .digest("hex")
    .slice(0, 16);
  const directory = join(BUILD_DIRECTORY, "counted");
  const path = join(directory, `${digest}.wasm`);
  const blocksPath = join(directory, `${digest}.json`);
  if (!existsSync(path) || !existsSync(blocksPath)) {
    const work = join(directory, `.work-${process.pid}-${digest}`);
    const blocks: Block[] = [];
    try {
      mkdirSync(work, { recursive: true });
      cpSync(join(ROOT, "assembly"), join(work, "assembly"), { recursive: true });
      cpSync(join(ROOT, "asconfig.json"), join(work, "asconfig.json"));
      for (const file of files.filter((name) => !name.startsWith("assembly/"))) {
        mkdirSync(dirname(join(work, file)), { recursive: true });
        cpSync(join(ROOT, file), join(work, file));
      }
      for (const file of covered) {
        const text = readFileSync(join(ROOT, file), "utf8");
        writeFileSync(join(work, file), instrumentText(file, text, counters, blocks));
      }
      if (blocks.length * 4 > COUNTERS_OCTETS) throw new Error(`${blocks.length} blocks: too many counters`);
      const asc = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
      const pages = String(job.pages);
      const sizes = ["--initialMemory", pages, "--maximumMemory", pages];
      execFileSync(
        process.execPath,
        [asc, job.entry, "--target", job.build, "--debug", "--noValidate", ...sizes, "-o", "out.wasm"],
        { cwd: work, stdio: ["ignore", "inherit", "inherit"] },
      );
      writeFileSync(blocksPath, JSON.stringify(blocks));
      renameSync(join(work, "out.wasm"), path);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { path, blocks: JSON.parse(readFileSync(blocksPath, "utf8")) as Block[], counters };
}
