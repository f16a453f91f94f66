/** Completion in bash and zsh themselves: what a person gets who presses the tab key, from the scripts that the command writes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../../host/cli/cardcage.ts";
import { cardcage } from "../cli/command_line.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-completion-"));
const scripts = { bash: "", zsh: "" };

test.before(async () => {
  for (const shell of ["bash", "zsh"] as const) {
    const { code, out, err } = await cardcage(["completion", shell]);
    assert.equal([code, err], [0, ""]);
    scripts[shell] = join(directory, shell === "zsh" ? "_cardcage" : "cardcage");
    writeFileSync(scripts[shell], out);
  }
  writeFileSync(join(directory, "site.conf"), "");
});
test.after(() => rmSync(directory, { recursive: true }));

function run(shell: string, args: readonly string[], environment: Record<string, string> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(shell, args, {
    encoding: "utf8",
    cwd: directory,
    timeout: 60_000,
    env: { PATH: process.env["PATH"] ?? "", HOME: directory, TERM: "vt100", ...environment },
  });
  if (error) throw new Error(`${shell} has to be installed: ${error.message}`);
  assert.is(status, 0, stderr);
  assert.is(stderr, "");
  return stdout;
}

/** The words that bash offers behind `line`, whose last word is the one being written. */
function bash(line: readonly string[]): string[] {
  const script = `source ${scripts.bash}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cardcage; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run("bash", ["--norc", "-c", script, "bash", "cardcage", ...line])
    .split("\n")
    .filter((word) => word !== "")
    .sort();
}

/** What zsh makes of the line `text` when the tab key is pressed, in a terminal of its own: the line editor writes it to a file. */
function zsh(text: string): string {
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'fpath=(${directory} $fpath); autoload -Uz compinit; compinit -u -d ${directory}/dump'
    zpty -w shell 'show() { print -r -- "$BUFFER" > ${directory}/line; mv ${directory}/line ${directory}/shown }'
    zpty -w shell 'zle -N show; bindkey "^I" complete-word; bindkey "^O" show; touch ${directory}/ready'
    until [[ -e ${directory}/ready ]]; do zpty -r -t shell; sleep 0.05; done > /dev/null
    zpty -w -n shell ${JSON.stringify(text)}$'\\t\\x0f'
    until [[ -e ${directory}/shown ]]; do zpty -r -t shell; sleep 0.05; done > /dev/null
    zpty -d shell
    cat ${directory}/shown
    rm ${directory}/shown ${directory}/ready`;
  return run("zsh", ["-f", "-c", script]).replace(/\n$/, "");
}

const names = (path: readonly string[]): string[] => {
  let command = program(() => undefined);
  for (const word of path) command = command.commands.find((one) => one.name() === word)!;
  return command.commands.map((one) => one.name());
};

test("bash: commands, and those below image", () => {
  assert.equal(
    bash([""]).filter((word) => word !== "help"),
    names([]).sort(),
  );
  assert.equal(bash(["ini"]), ["initiate"]);
  assert.equal(
    bash(["image", ""]).filter((word) => word !== "help"),
    names(["image"]).sort(),
  );
});

test("bash: options of the command alone, their values, choices and files", () => {
  assert.equal(bash(["rekey", "--"]), ["--help", "--json", "--socket", "--timeout"]);
  assert.equal(bash(["explain", "--from", ""]), ["protected", "unprotected"]);
  assert.equal(bash(["slot", "1", "o"]), ["offline", "online"]);
  // What stands behind an option is its value, and no argument.
  assert.equal(bash(["slot", "--socket", "x", "1", "off"]), ["offline"]);
  assert.equal(bash(["check", "si"]), ["site.conf"]);
  assert.equal(bash(["slot", "1", "insert", "si"]), ["site.conf"]);
  assert.equal(bash(["initiate", "--timeout", ""]), []);
  assert.equal(bash(["initiate", "n"]), [], "names of connections are not guessed at");
  assert.equal(bash(["flash", "1", "si"]), ["site.conf"]);
  assert.equal(bash(["completion", ""]), ["bash", "zsh"]);
});

test("zsh: the same, by its own completion system", () => {
  assert.is(zsh("cardcage ini"), "cardcage initiate ");
  assert.is(zsh("cardcage image keyg"), "cardcage image keygen ");
  assert.is(zsh("cardcage rekey --tim"), "cardcage rekey --timeout ");
  assert.is(zsh("cardcage slot 1 off"), "cardcage slot 1 offline ");
  assert.is(zsh("cardcage explain --from unp"), "cardcage explain --from unprotected ");
  assert.is(zsh("cardcage check si"), "cardcage check site.conf ");
  assert.is(zsh("cardcage completion z"), "cardcage completion zsh ");
});

test("a shell that is not completed is refused", async () => {
  const { code, err } = await cardcage(["completion", "fish"]);
  assert.is(code, 2);
  assert.match(err, /bash, zsh/);
});

test.run();
