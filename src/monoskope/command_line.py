"""Commands that take each option once: what was given last would silently replace what was given before."""

from __future__ import annotations

from collections import Counter

import click


class Command(click.Command):
    """A command that takes each option once, unless its help says that it can be repeated.

    Of two prefixes the first would be lost in silence, and so a right that was meant.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse. Raises `click.UsageError`, also for an option that is given twice and takes one value."""
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(list(args))
            for option, times in Counter(given).items():
                if times > 1 and isinstance(option, click.Option) and _has_one_value(option):
                    raise click.UsageError(f"Option '{option.opts[0]}' takes one value, and was given {times}.", ctx)
        return super().parse_args(ctx, args)


def _has_one_value(option: click.Option) -> bool:
    return not (option.multiple or option.is_flag or option.count)


class Group(Command, click.Group):
    """A group that takes each option once, and so do the commands that are made by it."""

    command_class = Command
    group_class = type
