"""Completion of command lines in bash, zsh and fish: the script for the shell, and the answers to it.

click finds what may follow. This takes the line from the shell and gives the answers back, because click's own scripts
take `vault://app` and `KEY=path` for several words in bash. An answer is never an error: the user is typing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from monoskope.text import is_shown

_BASH = r"""
%(complete_func)s() {
    mapfile -t COMPREPLY < <(
        _COMPLETE_LINE="${COMP_LINE:0:COMP_POINT}" _COMPLETE_BREAKS="$COMP_WORDBREAKS" \
            %(complete_var)s=bash_complete "$1" 2>/dev/null
    )
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[/=] ]]; then
        compopt -o nospace
    fi
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH = r"""
#compdef %(prog_name)s
%(complete_func)s() {
    local line tab=$'\t'
    local -a lines words_open shown_open words_whole shown_whole
    local typed="${words[1,CURRENT-1]} $PREFIX"
    lines=("${(@f)$(_COMPLETE_LINE="$typed" %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for line in $lines; do
        if [[ ${line%%%%$tab*} == *[/=] ]]; then
            words_open+=("${line%%%%$tab*}")
            shown_open+=("${line/$tab/  }")
        else
            words_whole+=("${line%%%%$tab*}")
            shown_whole+=("${line/$tab/  }")
        fi
    done
    (( $#words_open )) && compadd -S '' -l -d shown_open -a words_open
    (( $#words_whole )) && compadd -l -d shown_whole -a words_whole
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH = r"""
function %(complete_func)s
    set -l line (commandline -cp)
    env _COMPLETE_LINE="$line" %(complete_var)s=fish_complete %(prog_name)s 2>/dev/null
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
_SCRIPTS = MappingProxyType({"bash": _BASH, "zsh": _ZSH, "fish": _FISH})

SHELLS = tuple(_SCRIPTS)
_LINE = "_COMPLETE_LINE"
"""The variable with the command line up to the cursor."""
MOST_FILES = 1_000


def script(command: click.Command, program: str, shell: str) -> str:
    """Return the script that makes `shell` complete the command lines of `program`."""
    return _Completion(command, program, shell).source().strip()


def completing(program: str) -> bool:
    """Whether a script of ours asks this process to complete a command line; click answers its own, older scripts."""
    return _variable(program) in os.environ and _LINE in os.environ


def verb(program: str) -> str:
    """Return the first whole word after the program's name on the line that is completed, "" if there is none."""
    words, _ = _Completion(click.Command(program), program, "bash").get_completion_args()
    return words[0] if words else ""


def answer(command: click.Command, program: str, *, below: str = "") -> None:
    """Print what may follow on the command line that a script asks about: one a line. Whatever fails prints nothing.

    Args:
        command: What completes the line.
        program: The name of the program.
        below: The first word after it, if that is another program's, `command`.
    """
    shell, _, instruction = os.environ.get(_variable(program), "").partition("_")
    if shell in _SCRIPTS and instruction == "complete":
        try:
            text = _Completion(command, program, shell, below=below).complete()
        except Exception:  # noqa: BLE001 - no command was asked for, so there is no one to tell
            return
        sys.stdout.buffer.write(f"{text}\n".encode() if text else b"")
        sys.stdout.buffer.flush()


def _variable(program: str) -> str:
    return f"_{program.upper()}_COMPLETE"


class _Completion(ShellComplete):
    """One shell's script and answers."""

    def __init__(self, command: click.Command, program: str, shell: str, *, below: str = "") -> None:
        super().__init__(command, {}, program, _variable(program))
        self._shell = shell
        self._below = below
        self._typed = ""

    def source(self) -> str:
        return _SCRIPTS[self._shell] % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the whole words after the program's name, and the word that is being typed."""
        line = os.environ.get(_LINE, "")
        words = split_arg_string(line)
        while words and Path(words[0]).name != self.prog_name:
            del words[0]  # variables that are set for the command
        self._typed = "" if line[-1:].isspace() or len(words) < 2 else words.pop()
        del words[:1]
        if self._below and words[:1] == [self._below]:
            del words[0]
        return words, self._typed

    def complete(self) -> str:
        arguments, typed = self.get_completion_args()
        items = self.get_completions(arguments, typed)
        found = [one for item in items for one in _files_of(item)]
        return "\n".join(self.format_completion(one) for one in found if is_shown(f"{one.value}{one.help or ''}"))

    def format_completion(self, item: CompletionItem[str]) -> str:
        if self._shell == "bash":
            return _escaped_for_bash(_after_break(item.value, self._typed))
        return f"{item.value}\t{item.help}" if item.help else item.value


def _after_break(value: str, typed: str) -> str:
    """Return what follows the last character of `typed` at which bash breaks words: bash replaces only that."""
    breaks = set(os.environ.get("_COMPLETE_BREAKS", "")) & {"=", ":", "@"}
    last = max((typed.rfind(character) for character in breaks), default=-1)
    return value[last + 1 :]


def _escaped_for_bash(text: str) -> str:
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)


def _files_of(item: CompletionItem[str]) -> Iterator[CompletionItem[str]]:
    """Yield the files that an item of the type `file` or `dir` stands for, or the item itself."""
    if item.type not in {"file", "dir"}:
        yield item
        return
    yield from (CompletionItem(name) for name in files(item.value, folders_only=item.type == "dir"))


def files(typed: str, *, folders_only: bool = False) -> list[str]:
    """Return the paths that begin with `typed`, folders with a `/` at their end; hidden ones only if asked for."""
    folder, slash, start = typed.rpartition("/")
    found = []
    try:
        with os.scandir(folder + slash or ".") as entries:
            for entry in entries:
                hidden = entry.name.startswith(".") and not start.startswith(".")
                if entry.name.startswith(start) and not hidden and (entry.is_dir() or not folders_only):
                    found.append(f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}")
    except OSError:
        return []
    return sorted(found)[:MOST_FILES]
