"""YAML as Compose and Kubernetes take it: no key twice, and the mark with which Compose replaces instead of merging."""

from pathlib import Path
from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """Refuses what the usual loader passes over: of two equal keys it silently keeps the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Strict.add_constructor("!override", _plain)


def read_all(path: Path) -> list[Any]:
    """Every document of a file."""
    return list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=_Strict))


def read(path: Path) -> Any:
    """The one document of a file."""
    (document,) = read_all(path)
    return document
