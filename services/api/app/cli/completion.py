"""`lmx completion`: a script that lets a shell complete what is typed after `lmx`."""

from collections.abc import Mapping
from typing import Annotated, Final

import typer

from app.cli import output
from app.cli.outcomes import CommandError, ExitCode

_BASH: Final = r"""# bash: add to ~/.bashrc    eval "$(lmx completion bash)"
_lmx_complete() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _lmx_complete lmx
"""

_ZSH: Final = r"""#compdef lmx
# zsh: add to ~/.zshrc, after compinit    eval "$(lmx completion zsh)"
_lmx() {
    local value said
    local -a found
    while IFS=$'\t' read -r value said; do
        found+=("${value//:/\\:}:${said}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then _describe 'lmx' found; else _files; fi
}
compdef _lmx lmx
"""

_FISH: Final = r"""# fish: lmx completion fish > ~/.config/fish/completions/lmx.fish
function __lmx_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    set -l found ($before[1] __complete $before[2..-1] "$typed" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$typed"
    end
end
complete -c lmx -f -a '(__lmx_complete)'
"""

SCRIPTS: Final[Mapping[str, str]] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script that completes commands, options and the names that the server knows.

    The script's first lines say where it belongs.
    """
    if shell not in SCRIPTS:
        raise CommandError(
            f"{shell!r} is not a shell that this knows: {', '.join(SCRIPTS)}.",
            exit_code=ExitCode.USAGE,
        )
    output.exactly(SCRIPTS[shell])
