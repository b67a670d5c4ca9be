"""A page of a list in the order of one text: what the small lists of the ledger have in common."""

from collections.abc import Mapping
from typing import LiteralString

from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.database import Database
from api.parameters import CURSOR_HELP, LIMIT_HELP, Cursor, Limit, Text
from fleet.identity import scope as scopes
from fleet.identity.scope import EVERYWHERE, Scope


class PageQuery(BaseModel):
    """Which page; a list adds its filters."""

    model_config = ConfigDict(extra="forbid")

    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(50, description=LIMIT_HELP)


class Position(BaseModel):
    """Where a page ended."""

    key: Text


async def read_page(
    database: Database, query: LiteralString, asked: PageQuery, *, route: str, key: str, scope: Scope = EVERYWHERE
) -> tuple[list[DictRow], str | None]:
    """The rows of a page and the cursor of the next.

    *query* takes the filters, those of *scope* where that is not everywhere, `after` and `rows`, and
    is in the order of the column *key*, which no two rows share.
    """
    filters: Mapping[str, object] = asked.model_dump(exclude={"cursor", "limit"})
    of = (route, *(f"{name}={value}" for name, value in filters.items() if value is not None))
    after = cursors.unseal(asked.cursor, Position, of=of).key if asked.cursor else None
    rows = await database.fetch(query, {**filters, **scopes.parameters(scope), "after": after, "rows": asked.limit + 1})
    page = rows[: asked.limit]
    more = len(rows) > asked.limit
    return page, cursors.seal(Position(key=page[-1][key]), of=of) if more else None
