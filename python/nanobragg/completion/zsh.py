"""The script for zsh."""

from __future__ import annotations

from nanobragg.completion.table import Command, Commands, Word

_SCRIPT = r"""#compdef nanobragg nb-compare nb-trace-diff
# Completion of nanobragg, nb-compare and nb-trace-diff in zsh. Written by: nanobragg -completion zsh
# In ~/.zshrc, after compinit:  source <(nanobragg -completion zsh)

# Names separated by commas, with or without a dash: the last one is completed.
_nanobragg_quirks() {
    compset -P '*,'
    compadd -S '' -- all none "$@" "${@/#/-}"
}

_nanobragg_command() {
    if (( CURRENT > 2 )); then
        case $words[2] in
@SUBCOMMANDS@
        esac
    fi
    _arguments \
@MAIN@
}

_nb_compare() {
    local at=${words[(i)--]}
    if (( at < CURRENT )); then
        words=(nanobragg "${(@)words[at + 1,-1]}")
        (( CURRENT -= at - 1 ))
        _nanobragg_command
        return
    fi
    _arguments \
@COMPARE@
}

_nb_trace_diff() {
    _arguments \
@TRACE@
}

_nanobragg() {
    case $service in
        nb-compare) _nb_compare ;;
        nb-trace-diff) _nb_trace_diff ;;
        *) _nanobragg_command ;;
    esac
}

# Sourced, or found by compinit in a folder of $fpath.
if [[ $funcstack[1] == _nanobragg ]]; then
    _nanobragg "$@"
else
    compdef _nanobragg nanobragg nb-compare nb-trace-diff
fi
"""


def script(commands: Commands) -> str:
    """The script."""
    first = " ".join(command.name for command in commands.subcommands)
    parts = {
        "SUBCOMMANDS": "\n".join(map(_subcommand, commands.subcommands)),
        "MAIN": _arguments(commands.main, " " * 8, f"'1:: :({first})'"),
        "COMPARE": _arguments(commands.compare, " " * 8, "'1:: :(--)'"),
        "TRACE": _arguments(commands.trace_diff, " " * 8),
    }
    text = _SCRIPT
    for name, lines in parts.items():
        text = text.replace(f"@{name}@", lines)
    return text


def _subcommand(command: Command) -> str:
    indent = " " * 12
    arguments = _arguments(command, " " * 20)
    return f"{indent}{command.name})\n{indent}    _arguments \\\n{arguments}\n{indent}    return ;;"


def _arguments(command: Command, indent: str, *more: str) -> str:
    specs = [_spec(name, word) for word in command.words for name in word.names]
    if command.files is not None:
        specs.append(f"'*:file:{_files(command.files)}'")
    return " \\\n".join(indent + spec for spec in (*specs, *more))


def _spec(name: str, word: Word) -> str:
    help = word.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("'", "'\\''")
    values = "".join(
        f"{':' if position <= word.least else '::'}value:{_action(word, position)}"
        for position in range(1, word.most + 1)
    )
    return f"'*{name}[{help}]{values}'"


def _action(word: Word, position: int) -> str:
    if word.quirks:
        return "_nanobragg_quirks " + " ".join(word.quirks)
    if word.suffixes is not None:
        return _files(word.suffixes)
    if word.folders:
        return "_files -/"
    return f"({' '.join(word.choices)})" if word.choices and position == 1 else " "


def _files(suffixes: tuple[str, ...]) -> str:
    return f'_files -g "*.({"|".join(suffixes)})(-.)"' if suffixes else "_files"
