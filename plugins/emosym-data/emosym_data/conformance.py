"""What `emosym plugins check` runs for this plugin: small sound folders in the layouts it reads, and a file of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from emosym.testing import KnowledgeSuite


class Annotations(KnowledgeSuite):
    """Knowledge ``annotations``, the template over attributes."""

    component = "emosym-data/annotations"


class ShuffledField(Annotations):
    """Knowledge ``annotations``, one annotation as it is, given to another image each (the control)."""

    params: ClassVar[Mapping[str, Any]] = {"field": "reasoning", "shuffle": True}


class Jsonl(KnowledgeSuite):
    """Knowledge ``jsonl``, with texts for all samples but one."""

    component = "emosym-data/jsonl"

    def parameters(self) -> Mapping[str, Any]:
        file = self.folder / "texts.jsonl"
        lines = [{"id": one.id, "text": one.attributes["reasoning"]} for one in self.samples()[1:]]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return {"path": file}
