"""Saved systems on the Hugging Face hub. Imports no torch, and the hub's library on first use alone.

Its ``ModelHubMixin`` does not fit: it makes an object from a ``config.json`` of its constructor's arguments, and a system
comes from a spec. The names and arguments are the mixin's all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import first_line, plural, some

from emosym.spec import Resolved
from emosym.spec.nodes import leaves
from emosym.spec.saved import FILE as COMPONENTS
from emosym.spec.text import block
from emosym.toolkit import is_hub_id, json_text

PARTS = ("adapters", "compressor", "head", "fusion", "emotion_space", "diffusion")
FILES = (
    "spec.yaml",
    COMPONENTS,
    "system.json",
    "knowledge.parquet",
    *(f"{part}.safetensors" for part in PARTS),
)
"""All that is fetched of a repository: data alone, no code and no pickle."""
CARD = "README.md"
MAKING = ("backbone", "compressor", "fusion", "emotion_space", "diffusion")
"""Sections of a spec that a saved system is loaded from."""
_CARD = """---
{{ card_data }}
---

# {{ name }}

A system of the Python package emosym, which reads the emotions that images evoke and makes images that evoke them.
{{ emotions }}: {{ labels }}.

```python
import emosym

system = emosym.System.from_pretrained("{{ repo }}")
print(system.understand("photo.jpg").emotion)
```

| part | component | package |
|---|---|---|
{% for row in rows -%}
| {{ row | join(" | ") }} |
{% endfor %}
The files hold what training has changed; the models that it starts from are fetched from where `spec.yaml` says.

{% if knowledge -%}
`knowledge.parquet` holds texts about the training images, which it gives as reasons.
{%- else -%}
No text of the training data is inside, so it gives no reasons.
{%- endif %}

What it says of an image is what the people who labelled its training data would say of it on average. It knows
nothing of whoever looks at the image or is shown in it, and is no basis for a decision about anybody.
"""


def fetched(
    name: Path | str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: Path | str | None = None,
    local_files_only: bool = False,
) -> Path:
    """The folder of a saved system: ``name`` itself where it is one, else the hub's ``OWNER/NAME``, in the hub's cache.

    Errors: ``hub.no-such-system``, ``hub.no-such-revision``, ``hub.no-access``, ``hub.unreachable``, ``system.not-found``.
    """
    if Path(name).is_dir():
        return Path(name)
    if not is_hub_id(str(name)):
        raise EmosymError(
            "system.not-found",
            f"{name}: no such folder, and no id of the hub",
            hint="give the folder of a run or of a saved system, or OWNER/NAME",
        )
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                str(name),
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                allow_patterns=list(FILES),
            )
        )
    except Exception as error:  # of the network, of the hub, of the cache: each library has its own
        raise _explained(str(name), error, revision, local_files_only=local_files_only) from error


def pushed(
    folder: Path,
    repo_id: str,
    *,
    token: str | bool | None = None,
    private: bool | None = None,
    branch: str | None = None,
    commit_message: str | None = None,
    create_pr: bool = False,
) -> str:
    """Upload a folder that :func:`write_portable` wrote to a repository, which is made where it is not there; the address of
    the commit. A card that the repository has already is left alone.

    Errors: those of :func:`fetched`, ``hub.bad-id``.
    """
    if not is_hub_id(repo_id):
        raise EmosymError("hub.bad-id", f"{repo_id!r} is no id of a repository", hint="give OWNER/NAME")
    import huggingface_hub

    try:
        api = huggingface_hub.HfApi(token=token, library_name="emosym")
        api.create_repo(repo_id, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        kept = [CARD] if api.file_exists(repo_id, CARD, revision=branch) else []
        done = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=branch,
            commit_message=commit_message or "Push a system of emosym",
            create_pr=create_pr,
            ignore_patterns=kept,
            delete_patterns=list(FILES),  # parts that it has no more
        )
    except Exception as error:
        raise _explained(repo_id, error, branch) from error
    return str(done.commit_url)


def _explained(
    repo: str, error: Exception, revision: str | None, *, local_files_only: bool = False
) -> EmosymError:
    """One error that says what failed, where, and what to do."""
    from huggingface_hub import constants, errors

    where = f"{repo} on {constants.ENDPOINT}"
    cause = error.__cause__ if isinstance(error.__cause__, errors.HfHubHTTPError) else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(cause, errors.GatedRepoError) or status in (401, 403):
        return EmosymError(
            "hub.no-access",
            f"{where}: no access, or there is no such repository",
            hint="check the name; log in with: hf auth login (or give token=…); accept the terms on its page",
        )
    if isinstance(cause, errors.RevisionNotFoundError):
        return EmosymError(
            "hub.no-such-revision",
            f"{where} has no revision {revision!r}",
            hint="give a branch, a tag or a commit of it",
        )
    if isinstance(cause, errors.RepositoryNotFoundError):
        return EmosymError(
            "hub.no-such-system",
            f"there is no folder {repo} here, and no such repository on {constants.ENDPOINT}",
            hint="check the name; if it is private, log in with: hf auth login, or give token=…",
        )
    offline = constants.is_offline_mode()
    if offline or local_files_only:
        by = "HF_HUB_OFFLINE is set" if offline else "local_files_only was given"
        return EmosymError(
            "hub.unreachable",
            f"{where}: {by}, and the cache ({os.environ.get('HF_HOME', 'HF_HOME')}) has not all of it",
            hint="load it once with a network, or give a folder that holds it",
        )
    return EmosymError(
        "hub.unreachable",
        f"{where}: {type(cause).__name__}: {first_line(cause)}",
        hint="check the network and HF_ENDPOINT, or give a folder that holds it",
    )


def write_portable(folder: Path, resolved: Resolved, repo: str = "") -> None:
    """Rewrite the spec of a saved system so that it says nothing of this machine, and add a model card.

    Only the sections that a system is loaded from keep their paths.
    """
    spec = {
        key: value if key in MAKING else _without_folders(value)
        for key, value in resolved.document(qualified=True).items()
    }
    components = {path: _without_source(facts) for path, facts in resolved.saved.items()}
    (folder / "spec.yaml").write_text(block(spec), encoding="utf-8")
    (folder / COMPONENTS).write_text(json_text(components), encoding="utf-8")
    (folder / CARD).write_text(
        card(resolved, repo, knowledge=(folder / "knowledge.parquet").exists()), encoding="utf-8"
    )


def _without_source(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept of a component, without the folder of this machine that its package was installed from."""
    return {
        key: _without_source(value) if isinstance(value, Mapping) else value
        for key, value in facts.items()
        if key != "source"
    }


def _without_folders(value: Any) -> Any:
    """Paths in full by their last part."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def require_public(resolved: Resolved) -> None:
    """Refuse a system whose models lie in folders of this machine: ``hub.local-model``."""
    local = list(_local(resolved.document(qualified=True)))
    if local:
        raise EmosymError(
            "hub.local-model",
            f"nobody else has what this system starts from: {some(local)}",
            hint="push that model too, and load the system with its hub id: sets=('backbone.params.model=OWNER/NAME',)",
        )


def _local(document: Mapping[str, Any]) -> Iterator[str]:
    for section in MAKING:
        for path, value in leaves(document.get(section) or {}, section):
            if isinstance(value, str) and Path(value).is_absolute():
                yield f"{path}: {value}"


def card(resolved: Resolved, repo: str, *, knowledge: bool) -> str:
    """A model card: what the system is made of, what it knows, how to use it."""
    import huggingface_hub

    names = resolved.document()["labels"]
    labels = list(names) if isinstance(names, list | dict) else [str(names)]
    rows = [
        (section, f"`{offer.qualified}`", f"{offer.plugin.distribution} {offer.plugin.version}")
        for section, offer in resolved.offers.items()
        if section in MAKING
    ]
    made = huggingface_hub.ModelCard.from_template(
        huggingface_hub.ModelCardData(
            library_name="emosym", tags=["emosym", "emotion"], pipeline_tag="image-classification"
        ),
        template_str=_CARD,
        name=resolved.spec.name,
        repo=repo or "OWNER/NAME",
        emotions=plural(len(labels), "emotion") if len(labels) > 1 else "Emotions",
        labels=", ".join(labels),
        rows=rows,
        knowledge=knowledge,
    )
    return str(made)
