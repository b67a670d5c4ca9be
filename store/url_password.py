"""A URL and its user's password, which may stand apart from it: in a file of its own, written by another tool."""

from urllib.parse import quote, unquote, urlsplit, urlunsplit


def with_password(url: str, password: str) -> str:
    """*url* with *password* behind its user's name, percent-encoded.

    Raises ValueError where the URL names no user, or has another password in it already.
    """
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, colon, known = user.partition(":")
    if not at or not name:
        raise ValueError("expected a user before the host, whose the password is that is set apart from the URL")
    if colon and unquote(known) != password:
        raise ValueError("expected no password in the URL, or the same one: another is set apart from it")
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{place}"))
