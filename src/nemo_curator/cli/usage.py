"""How commands say what they take, and what was wrong with what they were given: in our words, not a library's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_NOT = {  # what a value that cannot be read should have been, by what Pydantic calls the fault
    "int_parsing": "is no whole number",
    "int_type": "is no whole number",
    "int_from_float": "is no whole number",
    "float_parsing": "is no number",
    "float_type": "is no number",
    "greater_than_equal": "is less than {ge}",
    "less_than_equal": "is more than {le}",
}


class WrongUsage(typer.BadParameter):
    """What is wrong with a command line, as the whole of a sentence."""

    def format_message(self) -> str:
        """The sentence."""
        return self.message


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, each with a word for its value instead of a type."""
        return [_in_words(one) for one in super().get_params(ctx)]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind its name in the line that says how it is used: `[OPTIONS] INPUT... OUTPUT`."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        names = (str(one.metavar or one.name) for one in arguments)
        pieces = [name if one.required else f"[{name}]" for name, one in zip(names, arguments, strict=True)]
        return [*([self.options_metavar] if self.options_metavar else []), *pieces]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a command line.

        Raises:
            WrongUsage: A value is not valid, or one is missing.
        """
        return _read(super().parse_args, self, ctx, args)


class Group(TyperGroup):
    """A command with commands of its own."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, each with a word for its value instead of a type."""
        return [_in_words(one) for one in super().get_params(ctx)]


def _in_words(param: Any) -> Any:
    """A parameter that shows no type: nothing behind a flag, `N` for a number, and choices where they have room."""
    if param.param_type_name == "argument":
        param.display_type_rich = _no_type
    elif param.metavar is None:
        choices = _choices(param)
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif choices:
            param.metavar = str(param.opts[0]).lstrip("-").upper()
            param.help = f"{param.help or ''} One of {', '.join(choices)}.".strip()
        elif getattr(param, "min", None) is not None:
            param.metavar = "N"
    return param


def _no_type(ctx: Any) -> None:  # noqa: ARG001  (asked with it)
    return None


def _choices(param: Any) -> list[str]:
    """The values that a parameter may have; none where it may have any."""
    found = getattr(getattr(param, "type_descriptor", None), "choices", None) or ()
    return [str(getattr(one, "value", one)) for one in found]


def _read(parse: Callable[[Any, list[str]], list[str]], command: Command, ctx: Any, args: list[str]) -> list[str]:
    given = list(args)  # parsing takes them away
    try:
        return parse(ctx, args)
    except typer.BadParameter as error:
        words = _missing_last(command, ctx, given, error.param) or _invalid(error)
        if not words:
            raise
        raise WrongUsage(words, ctx=ctx) from error


def _missing_last(command: Command, ctx: Any, given: Sequence[str], param: Any) -> str:
    """What to say where of `INPUT... OUTPUT` one was given, which is taken for the last; "" elsewhere."""
    arguments = [one for one in command.get_params(ctx) if one.param_type_name == "argument"]
    if param is None or param not in arguments[:-1] or param.nargs != -1:
        return ""
    last = arguments[-1]
    try:
        only = command.make_parser(ctx).parse_args(args=list(given))[0].get(last.name)
    except typer.BadParameter:
        return ""
    if not isinstance(only, str):
        return ""
    return f"Missing argument '{last.metavar}'. {last.help} Write it last: {ctx.command_path} {only} {last.metavar}"


def _invalid(error: typer.BadParameter) -> str:
    """What is wrong with a value, and what the option is for; "" where the fault has words of its own."""
    faults: list[Any] = getattr(error.__cause__, "errors", list)()
    if not faults or error.param is None:
        return ""
    fault, param = faults[0], error.param
    choices = _choices(param)
    if choices:
        said = f"{fault['input']!r} is none of {', '.join(choices)}"
    elif fault["type"] in _NOT:
        value = fault["input"] if "ctx" in fault else repr(fault["input"])
        said = f"{value} {_NOT[fault['type']].format(**fault.get('ctx', {}))}"
    else:
        return ""
    help_ = "" if choices else getattr(param, "help", "")
    about = f" {param.opts[0]} {param.metavar}: {help_}" if help_ else ""
    return f"Invalid value for '{param.opts[0]}': {said}.{about}"
