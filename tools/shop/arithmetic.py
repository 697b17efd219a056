"""Plain arithmetic on text, without running it."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

from agent_runtime.errors import ToolRefused

Number = int | float

_ALLOWED = frozenset("0123456789+-*/(). ")
_LARGEST_POWER_BITS = 2_048
"""Beyond what a float can hold; without a bound, 9**9**9 would never end."""


def _power(base: Number, exponent: Number) -> Number:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and int(base).bit_length() * abs(exponent) > _LARGEST_POWER_BITS:
        raise OverflowError("the number is too large")
    power = base**exponent
    if isinstance(power, complex):
        raise ValueError("the number is not real")
    return float(power) if isinstance(power, float) else int(power)


_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: _power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def evaluate(expression: str) -> float:
    """The value, rounded to 2 places. Digits, `+ - * / ( ) .` and blanks; Python's precedence.

    Raises ToolRefused for any other character and for what has no finite real value.
    """
    if not _ALLOWED.issuperset(expression):
        raise ToolRefused("Invalid characters in expression")
    try:
        value = float(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError) as error:
        raise ToolRefused(f"The expression has no value: {error}") from error
    if not math.isfinite(value):
        raise ToolRefused("The expression has no value: the number is too large")
    return round(value, 2)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left), _value(right))
        case _:
            raise ValueError("it is no plain arithmetic")
