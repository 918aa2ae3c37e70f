"""Write docs/cli.md: the help of every command, as it is printed.

python -m tools.cli_reference > docs/cli.md
"""

from __future__ import annotations

from typing import Any

import click

from dsconv.cli import main

_HEAD = """# The command line

What `dsconv COMMAND --help` prints, written by `python -m tools.cli_reference`.

An error is one line that says what is wrong and what to do. `--traceback` shows where it arose:

```console
$ dsconv pbmm alphabet.txt
dsconv: alphabet.txt is a text file, not a frozen graph; pass an output_graph.pb or .pbmm.
```

## Completion

The Tab key completes commands, options, their choices and file names, once this line is in the
start-up file of your shell:

- bash, 4.4 or later, in `~/.bashrc`: `eval "$(_DSCONV_COMPLETE=bash_source dsconv)"`
- zsh, in `~/.zshrc` after `compinit`: `eval "$(_DSCONV_COMPLETE=zsh_source dsconv)"`
- fish, in `~/.config/fish/config.fish`: `_DSCONV_COMPLETE=fish_source dsconv | source`
"""


def reference() -> str:
    """The page."""
    settings: dict[str, Any] = {**main.context_settings, "terminal_width": 80}
    group = click.Context(main, info_name="dsconv", **settings)
    parts = [_HEAD, _section("dsconv", main.get_help(group))]
    for name, command in main.commands.items():
        context = click.Context(command, group, name, **settings)
        parts.append(_section(f"dsconv {name}", command.get_help(context)))
    return "\n".join(parts)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    print(reference(), end="")
