"""The script for bash."""

from __future__ import annotations

from collections.abc import Sequence

from nanobragg.completion.table import MOST_VALUES, Command, Commands, Word

_HEAD = r"""# Completion of nanobragg, nb-compare and nb-trace-diff in bash. Written by: nanobragg -completion bash
# In ~/.bashrc:  source <(nanobragg -completion bash)

# Words that begin as the current one does.
_nanobragg_words() {
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "${COMP_WORDS[COMP_CWORD]}")
}

# Files with one of the extensions, and folders; all files if there is none, or no extension is given.
_nanobragg_files() {
    local cur=${COMP_WORDS[COMP_CWORD]} suffix
    COMPREPLY=()
    for suffix in "$@"; do
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -X "!*.$suffix" -- "$cur")
    done
    if (( ${#COMPREPLY[@]} )); then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
    compopt -o filenames 2>/dev/null
}

_nanobragg_folders() {
    mapfile -t COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}")
    compopt -o filenames 2>/dev/null
}

# Names separated by commas, with or without a dash: the last one is completed.
_nanobragg_quirks() {
    local cur=${COMP_WORDS[COMP_CWORD]} before=
    [[ $cur == *,* ]] && before=${cur%,*},
    mapfile -t COMPREPLY < <(compgen -P "$before" -W "all none $* ${*/#/-}" -- "${cur##*,}")
    compopt -o nospace 2>/dev/null
}
"""

_MAIN = r"""
_nanobragg() {
    if (( COMP_CWORD > 1 )); then
        case ${COMP_WORDS[1]} in
            @SUBCOMMANDS@) "_nanobragg_${COMP_WORDS[1]}"; return ;;
        esac
    fi
    _nanobragg_value && return
    local first=
    (( COMP_CWORD == 1 )) && first="@FIRST@"
    _nanobragg_words $first @NAMES@
}

_nb_compare() {
    local at
    for (( at = 1; at < COMP_CWORD; at++ )); do
        if [[ ${COMP_WORDS[at]} == -- ]]; then
            local -a COMP_WORDS=(nanobragg "${COMP_WORDS[@]:at + 1}")
            local COMP_CWORD=$(( COMP_CWORD - at ))
            _nanobragg
            return
        fi
    done
    _nb_compare_value && return
    _nanobragg_words -- @COMPARE@
}

_nb_trace_diff() {
    _nb_trace_diff_value && return
    if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        _nanobragg_words @TRACE@
    else
        _nanobragg_files
    fi
}

complete -F _nanobragg nanobragg
complete -F _nb_compare nb-compare
complete -F _nb_trace_diff nb-trace-diff
"""

_SUBCOMMAND = r"""
_nanobragg_@NAME@() {
    _nanobragg_@NAME@_value && return
    if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        _nanobragg_words @NAMES@
    else
        @OTHERS@
    fi
}
"""

_VALUE = r"""
# Complete a value of an option; fails where the current word is none.
@NAME@_value() {
    local back
    COMPREPLY=()
    for (( back = 1; back <= @MOST@ && back <= COMP_CWORD; back++ )); do
        case ${COMP_WORDS[COMP_CWORD - back]}:$back in
@CASES@        esac
    done
    return 1
}
"""


def script(commands: Commands) -> str:
    """The script."""
    parts = {
        "SUBCOMMANDS": " | ".join(command.name for command in commands.subcommands),
        "FIRST": " ".join(command.name for command in commands.subcommands),
        "NAMES": " ".join(commands.main.names()),
        "COMPARE": " ".join(commands.compare.names()),
        "TRACE": " ".join(commands.trace_diff.names()),
    }
    text = _MAIN
    for name, words in parts.items():
        text = text.replace(f"@{name}@", words)
    values = (
        _value_function("_nanobragg", commands.main.words),
        _value_function("_nb_compare", commands.compare.words),
        _value_function("_nb_trace_diff", commands.trace_diff.words),
    )
    return _HEAD + "".join(values) + "".join(map(_subcommand, commands.subcommands)) + text


def _subcommand(command: Command) -> str:
    names = " ".join(command.names())
    others = "_nanobragg_words " + names if command.files is None else " ".join(("_nanobragg_files", *command.files))
    function = _SUBCOMMAND.replace("@NAME@", command.name).replace("@NAMES@", names).replace("@OTHERS@", others)
    return _value_function(f"_nanobragg_{command.name}", command.words) + function


def _value_function(name: str, words: Sequence[Word]) -> str:
    cases: dict[str, list[str]] = {}
    for word in words:
        for position in range(1, word.most + 1):
            patterns = [f"{each}:{position}" for each in word.names]
            cases.setdefault(_action(word, position), []).extend(patterns)
    lines = "".join(
        f"            {' | '.join(patterns)})\n                {action} ;;\n" for action, patterns in cases.items()
    )
    return _VALUE.replace("@NAME@", name).replace("@MOST@", str(MOST_VALUES)).replace("@CASES@", lines)


def _action(word: Word, position: int) -> str:
    if word.quirks:
        return " ".join(("_nanobragg_quirks", *word.quirks)) + "; return 0"
    if word.suffixes is not None:
        return " ".join(("_nanobragg_files", *word.suffixes)) + "; return 0"
    if word.folders:
        return "_nanobragg_folders; return 0"
    choices = word.choices if position == 1 else ()
    # After a number that may be left out, or in place of one, other options may come.
    stop = "return 0" if choices and word.most == 1 else "[[ ${COMP_WORDS[COMP_CWORD]} == -* ]] && return 1; return 0"
    return f"_nanobragg_words {' '.join(choices)}; {stop}" if choices else stop
