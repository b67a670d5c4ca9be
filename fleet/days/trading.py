"""A day of each scale: ``weighing_days``, how much was traded on it, with what receipts, and what is wrong with it."""

from typing import Final, LiteralString

_DAY: Final[LiteralString] = "at >= %(begins)s::timestamptz AND at < %(ends)s::timestamptz"
# More than a fen from the price times the weight, rounded half up.
_WRONG: Final[LiteralString] = "abs(amount_fen - floor(unit_price_fen_per_kg::numeric * net_g / 1000 + 0.5)) > 1"


def trade_of(some: LiteralString) -> LiteralString:
    """The statement that writes a day of all scales or, with a condition on `device_id`, of some."""
    return f"""
INSERT INTO weighing_days AS kept (
    device_id, day, sales, returns, voids, net_g, amount_fen, printed, unprinted, amount_wrong, weight_wrong, unstable)
SELECT device_id, %(day)s::date, count(*) FILTER (WHERE kind = 'sale'), count(*) FILTER (WHERE kind = 'return'),
       count(*) FILTER (WHERE kind = 'void'), coalesce(sum(net_g) FILTER (WHERE kind = 'sale'), 0),
       coalesce(sum(amount_fen) FILTER (WHERE kind = 'sale'), 0),
       count(*) FILTER (WHERE kind = 'sale' AND printed), count(*) FILTER (WHERE kind = 'sale' AND NOT printed),
       count(*) FILTER (WHERE kind = 'sale' AND {_WRONG}), count(*) FILTER (WHERE kind = 'sale' AND net_g <= 0),
       count(*) FILTER (WHERE NOT stable)
FROM weighing WHERE {_DAY} {some}
GROUP BY device_id ORDER BY device_id
ON CONFLICT (device_id, day) DO UPDATE SET
    sales = excluded.sales, returns = excluded.returns, voids = excluded.voids, net_g = excluded.net_g,
    amount_fen = excluded.amount_fen, printed = excluded.printed, unprinted = excluded.unprinted,
    amount_wrong = excluded.amount_wrong, weight_wrong = excluded.weight_wrong, unstable = excluded.unstable
WHERE (kept.*) IS DISTINCT FROM (excluded.*)
"""  # noqa: S608 - constants of ours


TRADE: Final[LiteralString] = trade_of("")
TRADE_SOME: Final[LiteralString] = trade_of("AND device_id = ANY (%(device_ids)s::int4[])")
