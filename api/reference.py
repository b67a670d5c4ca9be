"""The reference page: the OpenAPI document as plain HTML.

The usual viewers load their scripts from the internet, which the networks of operators often do not reach.
"""

from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from api.html import prose, table

PATH: Final = "/api/v1/docs"
_REF: Final = "#/components/schemas/"
_TYPES: Final = {"null": "null", "boolean": "true or false"}


def render(document: dict[str, Any], base_url: str) -> str:
    """The body of the page; *base_url* is where the examples go."""
    index, sections = [], []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            title = f"{method.upper()} {path}"
            index.append(
                [f'<a href="#{_anchor(title)}"><code>{escape(title)}</code></a>', escape(operation["summary"])]
            )
            sections.append(_section(title, operation, path, base_url))
    shapes = [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return (
        f"<h1>{escape(document['info']['title'])} {escape(document['info']['version'])}</h1>"
        f"{_description(document['info']['description'])}"
        f'<p><a href="/api/v1/openapi.json">openapi.json</a> · <a href="/api/v1/problems">problems 错误说明</a></p>'
        f"{table(['address', 'what'], index)}{''.join(sections)}<h2>Shapes</h2>{''.join(shapes)}"
    )


def _section(title: str, operation: dict[str, Any], path: str, base_url: str) -> str:
    parameters: list[dict[str, Any]] = operation.get("parameters", [])
    rows = [
        [f"<code>{escape(item['name'])}</code>", item["in"], _type(item["schema"]), prose(item.get("description", ""))]
        for item in parameters
    ]
    answers = [
        [status, _content(answer), prose(answer["description"])] for status, answer in operation["responses"].items()
    ]
    may = operation["x-permission"]
    told = may if may == "public" else ", ".join(may)
    return (
        f'<h3 id="{_anchor(title)}"><code>{escape(title)}</code></h3>'
        f"<p>{prose(operation.get('description', ''))}</p><p>Who may 权限: {escape(told)}</p>"
        f"<pre>curl {_as(title, operation)}{_sending(operation)}'{escape(base_url + _example(path, parameters))}'</pre>"
        f"{table(['parameter', 'in', 'type', 'meaning'], rows) if rows else ''}"
        f"{table(['status', 'body', 'meaning'], answers)}"
    )


def _as(title: str, operation: dict[str, Any]) -> str:
    """What curl has to be told of the method, and of who calls where a role is needed."""
    method = title.partition(" ")[0]
    key = "" if operation["x-permission"] == "public" else '-H "Authorization: Bearer $KEY" '
    return ("" if method in ("GET", "POST") else f"-X {method} ") + escape(key)


def _sending(operation: dict[str, Any]) -> str:
    """What curl has to be told of a body: its media type, and the file it is in."""
    media = next(iter(operation.get("requestBody", {}).get("content", {})), None)
    return f"-H 'Content-Type: {escape(media)}' --data-binary @FILE " if media else ""


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = [
        [f"<code>{escape(field)}</code>", _type(inner), prose(inner.get("description", ""))]
        for field, inner in schema.get("properties", {}).items()
    ]
    about = f"<p>{prose(schema.get('description', ''))}</p>"
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{about}{table(["field", "type", "meaning"], rows)}'


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_REF))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = str(schema.get("format") or schema.get("type") or "any")
    return escape(_TYPES.get(kind, kind)) + _limits(schema)


def _limits(schema: dict[str, Any]) -> str:
    bounds = [f"{schema[key]}" if key in schema else "" for key in ("minimum", "maximum")]
    default = f", default <code>{escape(str(schema['default']).lower())}</code>" if "default" in schema else ""
    return (f" {'…'.join(bounds)}" if any(bounds) else "") + default


def _content(answer: dict[str, Any]) -> str:
    return "<br>".join(
        f"{_type(content['schema'])} <code>{escape(media)}</code>"
        for media, content in answer.get("content", {}).items()
    )


def _example(path: str, parameters: list[dict[str, Any]]) -> str:
    """The address of the examples, with the optional parameters that have one."""
    asked = {}
    for item in parameters:
        example = next(iter(item["schema"].get("examples") or item.get("examples") or []), None)
        if example is None:
            continue
        if item["in"] == "path":
            path = path.replace(f"{{{item['name']}}}", str(example))
        else:
            asked[item["name"]] = example
    return path + (f"?{urlencode(asked, safe=':')}" if asked else "")


def _description(text: str) -> str:
    lines = [line for line in text.splitlines() if line]
    items = "".join(f"<li>{prose(line.removeprefix('- '))}</li>" for line in lines if line.startswith("- "))
    return "".join(f"<p>{prose(line)}</p>" for line in lines if not line.startswith("- ")) + f"<ul>{items}</ul>"


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title)
