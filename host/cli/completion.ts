/**
 * Shell completion for bash and zsh, made of the command definitions themselves: a command, option or choice that is defined is
 * completed, and nothing else is.
 *
 *   eval "$(cardcage completion bash)"      in ~/.bashrc, or the output as /usr/share/bash-completion/completions/cardcage
 *   cardcage completion zsh                 as _cardcage in a directory of $fpath
 *
 * An argument or an option's value is one of its choices, or a file where its name says so. Names of connections are not asked for: a
 * gateway may be anywhere, and a prompt must not wait for it.
 */
import type { Argument, Command, Option } from "commander";

export const SHELLS = ["bash", "zsh"] as const;
export type Shell = (typeof SHELLS)[number];

/** What may stand at a place: one of some words, a file, a directory, or what nobody can foresee. */
type Place = { words: readonly string[] } | "file" | "directory" | "any";

interface CompletedOption {
  /** `--json`, `-V`. */
  names: string[];
  description: string;
  /** Absent: it takes no value. */
  value?: Place;
}

interface CompletedCommand {
  /** Below `cardcage`; empty for itself. */
  path: string[];
  description: string;
  options: CompletedOption[];
  commands: { name: string; description: string }[];
  places: Place[];
  /** The last place may be taken again. */
  variadic: boolean;
}

/** Arguments and values that are files, by the names that they have in the help. */
const FILES: ReadonlySet<string> = new Set(["file", "path", "out", "image", "packet", "words"]);

function placeOf(name: string, choices: readonly string[] | undefined): Place {
  if (choices) return { words: choices };
  if (FILES.has(name)) return "file";
  return name === "directory" ? "directory" : "any";
}

const argumentPlace = (argument: Argument): Place => placeOf(argument.name(), argument.argChoices);

function optionOf(option: Option): CompletedOption {
  const names = [option.short, option.long].filter((name) => name !== undefined && name !== null);
  const value = /[<[]([\w-]+)/.exec(option.flags)?.[1];
  return {
    names,
    description: option.description,
    ...(value === undefined ? {} : { value: placeOf(value, option.argChoices) }),
  };
}

/** Every command that the help shows, the root first. */
function commandsOf(command: Command, path: string[] = []): CompletedCommand[] {
  const help = command.createHelp();
  const inner = help.visibleCommands(command);
  const { registeredArguments } = command;
  return [
    {
      path,
      description: command.description(),
      options: help.visibleOptions(command).map(optionOf),
      commands: inner.map((one) => ({ name: one.name(), description: one.description() })),
      places: registeredArguments.map(argumentPlace),
      variadic: registeredArguments.at(-1)?.variadic ?? false,
    },
    ...inner.filter((one) => one.name() !== "help").flatMap((one) => commandsOf(one, [...path, one.name()])),
  ];
}

/** In single quotes, for either shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bashReply(place: Place): string {
  if (place === "file") return 'COMPREPLY=($(compgen -f -- "$cur"))';
  if (place === "directory") return 'COMPREPLY=($(compgen -d -- "$cur"))';
  return place === "any" ? "COMPREPLY=()" : `COMPREPLY=($(compgen -W ${quoted(place.words.join(" "))} -- "$cur"))`;
}

function bash(commands: readonly CompletedCommand[]): string {
  const key = (path: readonly string[]): string => quoted(path.join("/"));
  const descends = commands.filter(({ path }) => path.length > 0).map(({ path }) => key(path));
  const valued = commands.flatMap(({ path, options }) =>
    options.flatMap(({ names, value }) =>
      value === undefined ? [] : [{ patterns: names.map((name) => quoted(`${path.join("/")} ${name}`)), value }],
    ),
  );
  const replies = new Map<string, string[]>();
  for (const { patterns, value } of valued) {
    const reply = bashReply(value);
    replies.set(reply, [...(replies.get(reply) ?? []), ...patterns]);
  }
  const options = commands.map(
    ({ path, options }) => `      ${key(path)}) ${bashReply({ words: options.flatMap(({ names }) => names) })} ;;`,
  );
  const places = commands.flatMap(({ path, commands: inner, places: own, variadic }) => {
    if (inner.length > 0)
      return [`    ${quoted(`${path.join("/")} 0`)}) ${bashReply({ words: inner.map(({ name }) => name) })} ;;`];
    return own.map((place, at) => {
      const pattern = quoted(`${path.join("/")} ${at}`);
      const again = variadic && at === own.length - 1 ? `|${quoted(`${path.join("/")} `)}*` : "";
      return `    ${pattern}${again}) ${bashReply(place)} ;;`;
    });
  });
  return `# bash completion for cardcage: made by \`cardcage completion bash\`
_cardcage() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" at="" place=0 i word
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$at $word" in
      ${valued.flatMap(({ patterns }) => patterns).join("|")})
        ((i + 1 < COMP_CWORD)) && { ((i++)); continue; }
        ;;
    esac
    case "$word" in -*) continue ;; esac
    case "\${at:+$at/}$word" in
      ${descends.join("|")}) at="\${at:+$at/}$word"; place=0 ;;
      *) ((place++)) ;;
    esac
  done
  case "$at \${COMP_WORDS[COMP_CWORD-1]}" in
${[...replies].map(([reply, patterns]) => `    ${patterns.join("|")}) ${reply}; return ;;`).join("\n")}
  esac
  if [[ $cur == -* ]]; then
    case "$at" in
${options.join("\n")}
    esac
    return
  fi
  case "$at $place" in
${places.join("\n")}
  esac
}
complete -o filenames -F _cardcage cardcage
`;
}

function zshAction(place: Place, message: string): string {
  if (place === "file") return `${message}:_files`;
  if (place === "directory") return `${message}:_files -/`;
  // A word that begins with - is an option, and no argument that nobody can foresee.
  return place === "any" ? `${message}:_guard "^-*" ${message}` : `${message}:(${place.words.join(" ")})`;
}

/** Text inside the brackets of an _arguments specification. */
const bracketed = (text: string): string => text.replace(/[\\[\]:]/g, "\\$&");

function zshFunction({ path, options, commands, places, variadic }: CompletedCommand): string {
  const specifications = options.flatMap(({ names, description, value }) =>
    names.map((name) =>
      quoted(`*${name}[${bracketed(description)}]${value === undefined ? "" : `:${zshAction(value, "value")}`}`),
    ),
  );
  const name = ["_cardcage", ...path].join("_");
  if (commands.length === 0) {
    const own = places.map((place, at) =>
      quoted(`${variadic && at === places.length - 1 ? "*" : at + 1}:${zshAction(place, "argument")}`),
    );
    return `${name}() {
  _arguments -s ${[...specifications, ...own].join(" \\\n    ")}
}`;
  }
  const descriptions = commands.map((one) => quoted(`${one.name.replaceAll(":", "\\:")}:${one.description}`));
  const cases = commands
    .filter((one) => one.name !== "help")
    .map((one) => `        ${one.name}) ${name}_${one.name} ;;`);
  return `${name}() {
  local curcontext="$curcontext" line state
  typeset -A opt_args
  local -a commands
  commands=(
    ${descriptions.join("\n    ")}
  )
  _arguments -C -A "-*" ${[...specifications, quoted("1:command:->command"), quoted("*::argument:->argument")].join(" \\\n    ")}
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${cases.join("\n")}
      esac
      ;;
  esac
}`;
}

const zsh = (commands: readonly CompletedCommand[]): string => `#compdef cardcage
# zsh completion for cardcage: made by \`cardcage completion zsh\`
${[...commands].reverse().map(zshFunction).join("\n")}
# Sourced rather than autoloaded: register; autoloaded: complete at once.
if [[ $funcstack[1] == _cardcage ]]; then _cardcage "$@"; else compdef _cardcage cardcage; fi
`;

/** The script that completes \`root\`'s commands in a shell. */
export function completionScript(root: Command, shell: Shell): string {
  const commands = commandsOf(root);
  return shell === "bash" ? bash(commands) : zsh(commands);
}
