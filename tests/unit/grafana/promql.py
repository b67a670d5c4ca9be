"""PromQL as tests look at it: Grafana's variables filled in, and the tree that Prometheus' grammar makes of it."""

from collections.abc import Iterator
from typing import Any, Final

import promql_parser

# As Grafana fills them in for All and a range of hours.
_VALUES: Final = {
    "$__rate_interval": "5m",
    "$__range": "6h",
    "$instance": ".+",
    "$kind": "kiosk|logger",
}


def filled_in(expression: str) -> str:
    """The expression with nothing of Grafana left in it."""
    for text, value in _VALUES.items():
        expression = expression.replace(text, value)
    assert "$" not in expression, expression
    return expression


def nodes(node: Any) -> Iterator[Any]:
    """A node of the tree and all below it."""
    yield node
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector")]
    for part in [*parts, *getattr(node, "args", [])]:
        if part is not None and not isinstance(part, str | int | float):
            yield from nodes(part)


def selectors(expression: str) -> list[Any]:
    """The selectors of series in an expression."""
    tree = promql_parser.parse(filled_in(expression))
    return [node for node in nodes(tree) if isinstance(node, promql_parser.VectorSelector)]
