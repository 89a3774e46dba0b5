"""Writes responses.txt: the shapes of what AWS's operations answer, from botocore's service models.

    python crates/simulator/data/responses.py crates/simulator/data/responses.txt

The file has a section for each service, in order of their ids:

    #SERVICE            the service id in lower case, without spaces
    OPERATION SHAPE     what an operation answers: the number of a shape
    {NAME:SHAPE ...     shape 0, 1, 2, ...: a structure; NAME!SHAPE for what it must have
    [SHAPE MIN-MAX      a list
    <SHAPE              a map
    =A|B|C              one of these texts
    sMIN-MAX            a text; i and n are integers and other numbers, b truth values, t moments,
                        y bytes, * anything
"""

import gzip
import json
import re
import sys
from pathlib import Path

import botocore

LETTERS = {
    "string": "s",
    "character": "s",
    "integer": "i",
    "long": "i",
    "float": "n",
    "double": "n",
    "boolean": "b",
    "timestamp": "t",
    "blob": "y",
}


# Limits to which AWS's TestState held results when it was recorded (December 2025), where the
# models have others by now.
RECORDED = {("lambda", "MemorySize"): {"max": 10240}}


class Section:
    """One service: its operations, and the shapes that they answer."""

    def __init__(self, model):
        self.shapes = model["shapes"]
        self.numbers = {}
        service = model["metadata"]["serviceId"]
        self.name = re.sub(r"[^a-z0-9]", "", service.lower())
        operations = sorted(model["operations"].items())
        self.lines = [
            f"{name} {self.number(operation['output']['shape'])}"
            for name, operation in operations
            if "output" in operation
        ]
        self.lines += [self.line(shape) for shape in self.numbers]

    def number(self, name):
        """The number of a shape, and of all that it is made of."""
        pending = [name]
        while pending:
            name_of_one = pending.pop()
            if name_of_one in self.numbers:
                continue
            self.numbers[name_of_one] = len(self.numbers)
            shape = self.shapes[name_of_one]
            parts = list(shape.get("members", {}).values())
            parts += [shape[key] for key in ("member", "value") if key in shape]
            pending += [part["shape"] for part in reversed(parts)]
        return self.numbers[name]

    def line(self, name):
        shape = {**self.shapes[name], **RECORDED.get((self.name, name), {})}
        kind = shape["type"]
        limits = ""
        if "min" in shape or "max" in shape:
            limits = f"{shape.get('min', '')}-{shape.get('max', '')}"
        if shape.get("document"):
            return "*"
        if kind == "structure":
            required = shape.get("required", [])
            members = [
                f"{key}{'!' if key in required else ':'}{self.numbers[member['shape']]}"
                for key, member in shape["members"].items()
            ]
            return "{" + " ".join(members)
        if kind == "list":
            return f"[{self.numbers[shape['member']['shape']]} {limits}".rstrip()
        if kind == "map":
            return f"<{self.numbers[shape['value']['shape']]}"
        if "enum" in shape:
            return "=" + "|".join(shape["enum"])
        return LETTERS.get(kind, "*") + limits


def main():
    data = Path(botocore.__file__).parent / "data"
    sections = {}
    for service in sorted(path for path in data.iterdir() if path.is_dir()):
        models = sorted(service.glob("*/service-2.json*"))
        if not models:
            continue
        opened = gzip.open if models[-1].suffix == ".gz" else open
        with opened(models[-1]) as file:
            section = Section(json.load(file))
        sections[section.name] = section
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        for name, section in sorted(sections.items()):
            file.write("\n".join([f"#{name}", *section.lines]) + "\n")


main()
