"""Reads sources.yaml; an error names file, line, field and the allowed values."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ingestion.errors import SourcesFileError
from ingestion.spec import SourcesFile, SourceSpec

SOURCES_FILE = Path(__file__).parent / "sources.yaml"


def read_sources(path: Path = SOURCES_FILE) -> dict[str, SourceSpec]:
    """Return every declared source by name; SourcesFileError tells each thing that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        parsed = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise SourcesFileError(f"{path}: there is no such file") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SourcesFileError(f"{path}:{line}: not YAML: {error.problem}") from error
    try:
        return dict(SourcesFile.model_validate(parsed).sources)
    except ValidationError as error:
        problems = [_problem(path, root, problem) for problem in error.errors(include_url=False)]
        raise SourcesFileError("\n".join(problems)) from error


def _problem(path: Path, root: yaml.Node | None, problem: Any) -> str:
    location = [part for part in problem["loc"] if part != "[key]"]
    line, field = _locate(root, location)
    return f"{path}:{line}: {field}: {problem['msg']}"


def _locate(root: yaml.Node | None, location: list[str | int]) -> tuple[int, str]:
    """Follow a pydantic location; its steps that name a union's branch are not in the file."""
    node, line, trail = root, 1, []
    for part in location:
        child = _child(node, part)
        if child is not None:
            node, line = child
            trail.append(str(part))
        elif part is location[-1]:
            trail.append(str(part))
    return line, ".".join(trail) or "the file"


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None
