"""Prompt files: front matter that says what a prompt is, and a body with places for inputs."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_runtime.budget import Tier
from agent_runtime.errors import NeedsAttention, WorkflowError
from agent_runtime.rollout import point_of

MARK = "---"
PERSONA = "persona"
"""The prompt file that all steps of a workflow share: who speaks, apart from what is to be done."""

OUTPUTS = ("envelope",)
"""What a prompt may ask for."""


class Matter(BaseModel):
    """The front matter. `inputs`: fields of the run's input that the body names. `share`: of a
    variant (`decide.short.md` is one of `decide`), how many runs in a hundred it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=100)
    version: str = Field(default="0", max_length=50, coerce_numbers_to_str=True)
    inputs: tuple[str, ...] = ()
    output: str = "envelope"
    tier: Tier | None = None
    owner: str = ""
    share: int = Field(default=0, ge=0, le=100)


class Prompt(BaseModel):
    """One prompt file, read. `hash` is over the whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    matter: Matter
    body: str
    hash: str

    @property
    def label(self) -> str:
        """How envelopes name it: id, version and hash."""
        return f"{self.matter.id}@{self.matter.version} {self.hash}"

    def render(self, inputs: Mapping[str, Any]) -> str:
        """The body with the run's values in it, each fenced as data; raises NeedsAttention where
        one is missing."""
        missing = [name for name in self.matter.inputs if inputs.get(name) is None]
        if missing:
            raise NeedsAttention(
                f"The prompt {self.matter.id!r} needs {missing[0]!r}, which the run's input"
                " doesn't have."
            )
        if not self.has_places:
            return self.body
        from jinja2 import UndefinedError

        values = {name: inputs[name] for name in self.matter.inputs}
        try:
            return str(_compiled(self.body).render(values))
        except UndefinedError as error:
            raise NeedsAttention(
                f"The prompt {self.matter.id!r} needs what the run's input doesn't have:"
                f" {error.message}."
            ) from error

    @property
    def has_places(self) -> bool:
        """Whether anything is to be filled in."""
        return "{{" in self.body or "{%" in self.body

    def problems(self, fields: Mapping[str, Any]) -> list[str]:
        """What is wrong with it, one line each; `fields`: of the workflow's input."""
        found = [
            f"inputs: the workflow's input has no field {name!r}"
            for name in self.matter.inputs
            if name not in fields
        ]
        if self.matter.output not in OUTPUTS:
            found.append(f"output: {self.matter.output!r} is none of {', '.join(OUTPUTS)}")
        if not self.body.strip():
            found.append("it says nothing")
        return found + (_places(self) if self.has_places else [])


@functools.lru_cache(maxsize=512)
def read_prompt(name: str, text: str) -> Prompt:
    """Read one file; raises WorkflowError that names the field at fault. Without front matter it
    is a body alone."""
    matter: Any = {"id": name}
    body = text
    if text.startswith(MARK + "\n"):
        head, closed, body = text[len(MARK) + 1 :].partition(f"\n{MARK}\n")
        if not closed:
            raise WorkflowError(f"Prompt {name!r}: its front matter has no end (a line of {MARK}).")
        matter = _yaml(name, head)
    try:
        known = Matter.model_validate(matter)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "front matter"
        told = f" (got {str(first['input'])[:100]!r})" if first["loc"] else ""
        raise WorkflowError(f"Prompt {name!r}: {field}: {first['msg']}{told}.") from error
    return Prompt(name=name, matter=known, body=body, hash=hash_of(text))


def hash_of(text: str) -> str:
    """The hash by which envelopes name the file."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def choose(texts: Mapping[str, str], name: str, run_id: str) -> Prompt:
    """The prompt for a run: the file of that name, or one of its variants by their shares. The
    same run always gets the same one."""
    base = read_prompt(name, texts.get(name, ""))
    point = point_of(run_id, name)
    for variant in variants(texts, name):
        point -= variant.matter.share
        if point < 0:
            return variant
    return base


def variants(texts: Mapping[str, str], name: str) -> list[Prompt]:
    """The variants of a prompt, in the order of their names."""
    names = sorted(other for other in texts if other.startswith(f"{name}."))
    return [read_prompt(other, texts[other]) for other in names]


def check_prompts(texts: Mapping[str, str], fields: Mapping[str, Any]) -> list[str]:
    """What is wrong with a workflow's prompts, one line each."""
    problems, ids = [], dict[tuple[str, str], str]()
    for name, text in sorted(texts.items()):
        try:
            prompt = read_prompt(name, text)
        except WorkflowError as error:
            problems.append(error.message)
            continue
        problems += [f"Prompt {name!r}: {problem}." for problem in prompt.problems(fields)]
        twin = ids.setdefault((prompt.matter.id, prompt.matter.version), name)
        if twin != name:
            problems.append(f"Prompts {twin!r} and {name!r} have the same id and version.")
        if "." not in name and sum(v.matter.share for v in _readable(texts, name)) > 100:
            problems.append(f"Prompt {name!r}: its variants' shares are more than 100 together.")
    return problems


def _readable(texts: Mapping[str, str], name: str) -> list[Prompt]:
    try:
        return variants(texts, name)
    except WorkflowError:
        return []


def _yaml(name: str, head: str) -> Any:
    try:
        matter = yaml.safe_load(head)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 2})"
        raise WorkflowError(f"Prompt {name!r}: its front matter is no YAML{where}.") from error
    if not isinstance(matter, dict):
        raise WorkflowError(f"Prompt {name!r}: its front matter has no fields, such as id: {name}.")
    return matter


def _places(prompt: Prompt) -> list[str]:
    """What the body names beyond its declared inputs, or where it cannot be read at all."""
    from jinja2 import TemplateError, TemplateSyntaxError, meta

    try:
        tree = _environment().parse(prompt.body)
        _compiled(prompt.body)
    except TemplateSyntaxError as error:
        return [f"line {error.lineno}: {error.message}"]
    except TemplateError as error:
        return [f"{error.message}"]
    undeclared = meta.find_undeclared_variables(tree) - set(prompt.matter.inputs)
    return [f"{name!r} is not among its inputs" for name in sorted(undeclared)]


@functools.cache
def _environment() -> Any:
    # Imported late: most commands render nothing.
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=fence,
        autoescape=False,  # this is no HTML: `fence` does what escaping is for
        keep_trailing_newline=True,
    )


@functools.lru_cache(maxsize=256)
def _compiled(body: str) -> Any:
    return _environment().from_string(body)


def fence(value: object) -> str:
    """A value as data in the middle of instructions: a JSON text between marks that it cannot
    write itself."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f"<data>{text.replace('<', chr(92) + 'u003c')}</data>"
