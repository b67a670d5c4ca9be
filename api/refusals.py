"""Turns every exception that a route may raise into a problem; what nobody foresaw is the rim's business."""

from collections.abc import Iterator

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import problems
from api.problems import ParameterProblem, ProblemError


def install(app: FastAPI) -> None:
    """Answer problems wherever *app* would answer in a shape of its own."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for this class; starlette's signature is wider
    return problems.answer(error.kind, error.detail, allowed=error.allowed, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    found = list(_parameters(error))
    names = ", ".join(dict.fromkeys(problem.name for problem in found))
    return problems.answer(problems.INVALID_REQUEST, f"Not acceptable: {names}.", errors=found)


def _parameters(error: RequestValidationError) -> Iterator[ParameterProblem]:
    # The value itself is left out: it may be long, odd or secret.
    for detail in error.errors():
        place, *name = map(str, detail["loc"])
        words = "There is no such parameter" if detail["type"] == "extra_forbidden" else detail["msg"]
        yield ParameterProblem(place=place, name=".".join(name) or place, detail=words.removeprefix("Value error, "))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == problems.NO_ROUTE.status:
        return problems.answer(problems.NO_ROUTE, "Nothing is here.")
    if error.status_code == problems.WRONG_METHOD.status:
        return problems.answer(problems.WRONG_METHOD, "This address is for other methods.", headers=error.headers)
    return problems.answer(problems.REFUSED, f"{error.detail}.", status=error.status_code, headers=error.headers)
