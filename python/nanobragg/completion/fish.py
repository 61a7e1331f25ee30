"""The script for fish."""

from __future__ import annotations

from nanobragg.completion.table import Command, Commands, Word

_HEAD = r"""# Completion of nanobragg, nb-compare and nb-trace-diff in fish. Written by: nanobragg -completion fish
# In ~/.config/fish/config.fish:  nanobragg -completion fish | source

# Whether the first word is one of those given.
function __nanobragg_is
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

function __nanobragg_first
    test (count (commandline -opc)) = 1
end

# Files with one of the extensions, and folders; all files if there is none.
function __nanobragg_files
    set -l found (__fish_complete_path (commandline -ct))
    set -l suffixes (string join '|' -- $argv)
    if string match -qr -- "\.($suffixes)(\t|\$)" $found
        string match -r -- "^.*(?:/|\.(?:$suffixes))(?:\t.*)?\$" $found
    else
        printf '%s\n' $found
    end
end

# Names separated by commas, with or without a dash: the last one is completed.
function __nanobragg_quirks
    set -l before (string match -r -- '^.*,' (commandline -ct))
    for name in all none $argv -$argv
        echo "$before$name"
    end
end

# What nanobragg takes, after the -- of nb-compare.
function __nanobragg_after_dashes
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    set -l rest
    if test $at -lt (count $words)
        set rest (string escape -- $words[(math $at + 1)..-1])
    end
    complete -C (string join ' ' -- nanobragg $rest (commandline -ct))
end
"""
_BEFORE = "-n 'not contains -- -- (commandline -opc)'"
_AFTER = "-n 'contains -- -- (commandline -opc)'"


def script(commands: Commands) -> str:
    """The script."""
    subcommands = commands.subcommands
    names = " ".join(command.name for command in subcommands)
    lines = [
        "complete -c nanobragg -f",
        *(
            f"complete -c nanobragg -n __nanobragg_first -a {command.name} -d {_quoted(command.help)}"
            for command in subcommands
        ),
        *_lines("nanobragg", commands.main, f"-n 'not __nanobragg_is {names}'"),
        *(line for command in subcommands for line in _subcommand(command)),
        "",
        "complete -c nb-compare -f",
        f"complete -c nb-compare {_AFTER} -a '(__nanobragg_after_dashes)'",
        *_lines("nb-compare", commands.compare, _BEFORE),
        "",
        *_lines("nb-trace-diff", commands.trace_diff, ""),
    ]
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _subcommand(command: Command) -> list[str]:
    condition = f"-n '__nanobragg_is {command.name}'"
    lines = _lines("nanobragg", command, condition)
    if command.files is None:
        return lines
    return [f"complete -c nanobragg {condition} -k -a '(__nanobragg_files {' '.join(command.files)})'", *lines]


def _lines(name: str, command: Command, condition: str) -> list[str]:
    return [
        " ".join(
            part
            for part in (f"complete -c {name}", condition, _option(each), _values(word), f"-d {_quoted(word.help)}")
            if part
        )
        for word in command.words
        for each in word.names
    ]


def _option(name: str) -> str:
    # A short option (-s) would take what follows in the same word for its value: -N of -Na.
    return f"-l {name[2:]}" if name.startswith("--") else f"-o {name[1:]}"


def _values(word: Word) -> str:
    if not word.most:
        return ""
    if word.quirks:
        return f"-x -a '(__nanobragg_quirks {' '.join(word.quirks)})'"
    if word.suffixes is not None:
        return f"-x -k -a '(__nanobragg_files {' '.join(word.suffixes)})'" if word.suffixes else "-r -F"
    if word.folders:
        return "-x -a '(__fish_complete_directories)'"
    return f"-x -a {_quoted(' '.join(word.choices))}" if word.choices else "-x"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
