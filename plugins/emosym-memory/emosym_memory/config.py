"""Parameters of the banks; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from emosym.contracts import ComponentConfig
from emosym_memory import address


class BankConfig(ComponentConfig):
    """What a bank may replace, and which images it takes."""

    mode: Literal["replace", "add"] = "replace"
    """replace: an image stands in for a labelled original. add: images join the originals and none is masked."""
    fraction: float = Field(default=0.1, ge=0, le=1)
    """α, over all refreshes together: the largest share of the labelled originals that may be replaced; where images are
    added, that of all originals, unlabelled ones that are trained on included."""
    policy: Literal["paper", "emosym"] = "emosym"
    """paper: the model's confidence, over the whole set. emosym: model and judge, by class, diverse."""
    combine: Literal["min", "geometric"] = "min"
    """emosym: how the scores of model and judge become one."""
    min_score: float = Field(default=0.5, ge=0, le=1)
    """emosym: candidates below this combined score are refused."""
    min_distance: float = Field(default=0.25, ge=0)
    """emosym: nearest allowed neighbour, as a share of the mean distance within the class; 0 allows all."""
    max_age: int | None = Field(default=5, ge=1)
    """emosym: refreshes after which an image gives way to any good one; null: only to a better one."""


class InMemoryConfig(BankConfig):
    """The bank in memory: gone when the process ends."""


class SqlConfig(BankConfig):
    """The bank in a database."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = "sqlite:///{run}/bank.db"
    """An SQLAlchemy URL; {run} is the run folder. PostgreSQL: postgresql://user:{secret:NAME}@host/database,
    where NAME is an environment variable that EMOSYM_SECRETS allows; a password itself is refused."""
    namespace: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]*$")
    """PostgreSQL schema of the tables, so that several runs share a database; made where it is missing."""

    @field_validator("url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        address.check(url)
        return url
