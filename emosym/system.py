"""System: the assembled components, as pleasant in a notebook as in a shell."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

import torch
from emosym_registry import API_VERSION, EmosymError, Registry, load_registry
from emosym_registry.errors import capped

from emosym.contracts import Generated, Reading, Reason, Sample, States
from emosym.contracts.notebook import table
from emosym.contracts.reading import EMBEDDED
from emosym.generation import Generation, OnStep
from emosym.hub import fetched, pushed, require_public, write_portable
from emosym.inputs import OnePicture, Picture, as_source, given, is_one, outcomes
from emosym.parts import PAINTING, READING, Parts, builder_of
from emosym.reasons import KnowledgeIndex, read_index
from emosym.recipe import Maker, Recipe, asked, pictures_of, versions_of
from emosym.request import PROMPT, Request
from emosym.spec import load_spec
from emosym.storage import PART, find_saved, read_state, size_of, write_state
from emosym.toolkit import hash_tensors, json_text, written_whole


class System(Parts):
    """Reads the emotion of images and makes images of an emotion.

    ``backbone`` and ``compressor`` read, ``head`` is the emotion classifier over their states (``logits``),
    ``generation`` paints; it is None where the spec only understands. ``knowledge`` holds texts that it was trained with,
    for :meth:`reasons`; None where it keeps none. With ``reading: explicit`` the backbone is all there is: it writes a
    reason and then the emotion. Load one with ``System.load("runs/tiny/system")``.
    """

    # ---- understanding

    @overload
    def understand(self, images: Picture, batch_size: int = 32, *, why: int = 0) -> Reading: ...  # type: ignore[overload-overlap]
    @overload
    def understand(
        self, images: Iterable[Picture], batch_size: int = 32, *, why: int = 0
    ) -> list[Reading]: ...
    def understand(
        self, images: Picture | Iterable[Picture], batch_size: int = 32, *, why: int = 0
    ) -> Reading | list[Reading]:
        """What an image evokes: one picture gives one reading; several, or a folder, give a list.

        A picture is a path, an address (``https://…``), bytes, a Pillow image, an array [H,W], [H,W,3] or [H,W,4], a
        tensor [1, 3 or 4,H,W] (both uint8, or floating from 0 to 1), or a sample. A folder, alone or in a list, stands for
        the pictures in it and below it, by path; those that cannot be read are left out with a warning. For a type checker
        a path is one picture: put a folder into a list. ``batch_size`` are read, and in memory, at once. With ``why``
        each reading has so many ``reasons``.

        Errors: ``data.nothing-to-read``, ``data.nothing-readable``, ``data.no-picture``, ``data.bad-array``,
        ``data.download-failed``, ``data.large-download``, those of opening a picture, and with ``why`` those of
        :meth:`reasons`.
        """
        if why:
            self.require_knowledge()
        readings, left = list[Reading](), list[str]()
        for _, outcome in outcomes(lambda samples: self._read(samples, why), given(images), batch_size):
            if isinstance(outcome, EmosymError):
                left.append(outcome.message)
            else:
                readings.append(outcome)
        lines = "\n  ".join(capped(left))
        if left and not readings:
            message = f"not one of these pictures can be read:\n  {lines}"
            raise EmosymError("data.nothing-readable", message, hint="look at one of them in a viewer")
        if not readings:
            raise EmosymError("data.nothing-to-read", "there is no image to read")
        if left:
            warnings.warn(f"left out what cannot be read ({len(left):,}):\n  {lines}", stacklevel=2)
        return readings[0] if is_one(images) else readings

    def _read(self, samples: Sequence[Sample], why: int) -> list[Reading]:
        """A batch of pictures."""
        texts: Sequence[str | None] = [None] * len(samples)
        reasons: Sequence[tuple[Reason, ...]] = [()] * len(samples)
        if self.explicit:
            probabilities, written = self.told(samples, len(samples))
            texts = written or texts
        else:
            states, probabilities = self.read(samples, len(samples))
            reasons = self.reasons(states, why) if why else reasons
        return [
            replace(self._reading(sample.id, row, text), reasons=own)
            for sample, row, text, own in zip(samples, probabilities.tolist(), texts, reasons, strict=True)
        ]

    def reasons(self, states: States, count: int) -> list[tuple[Reason, ...]]:
        """For each image of ``states`` the ``count`` texts of the kept knowledge that are nearest to its context states, as
        the compressor projects them into the space of texts; all texts where there are fewer.

        Errors: ``understand.no-such-count``, and those of :meth:`require_knowledge`.
        """
        if count < 1:
            raise EmosymError(
                "understand.no-such-count", f"{count} reasons cannot be given", hint="ask for 1 or more"
            )
        knowledge = self.require_knowledge()
        projected = self.project(states)
        assert projected is not None
        return knowledge.nearest(projected, count)

    def require_knowledge(self) -> KnowledgeIndex:
        """The kept knowledge. Errors: ``understand.no-reasons`` where the system keeps none, or its compressor does not project
        into the space of texts."""
        if self.knowledge is not None and not self.explicit and self.projects:
            return self.knowledge
        raise EmosymError(
            "understand.no-reasons",
            "this system keeps no knowledge that could say why: its run had none, its compressor has no projection into the "
            "space of texts, or an older emosym has saved it",
            hint="run a spec with knowledge, text_encoder, a compressor that projects context states, and "
            "stages.compress.knowledge_weight above 0",
        )

    def _reading(self, id: str, probabilities: Sequence[float], text: str | None) -> Reading:
        named = dict(zip(self.labels.names, probabilities, strict=True))
        signed = self.labels.signed
        positive = sum(p for i, p in enumerate(probabilities) if self.labels.positive(i)) if signed else None
        return Reading(
            id,
            max(named, key=named.__getitem__),
            named,
            positive,
            text,
            embedded=self.resolved.embedded("backbone"),
        )

    # ---- generation

    def generate(
        self,
        emotion: str | None = None,
        *,
        mixture: Mapping[str, float] | None = None,
        valence: float | None = None,
        image: OnePicture | None = None,
        onto: OnePicture | None = None,
        n: int = 1,
        prompt: str | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance_scale: float | None = None,
        strength: float | None = None,
        batch_size: int = 1,
        on_step: OnStep | None = None,
    ) -> list[Generated]:
        """Make ``n`` images that evoke an emotion.

        The emotion comes from its name, from a ``mixture`` of names with weights ("70 % awe, 30 % fear"), from a
        ``valence`` between −1 and 1 (the positive emotions share (1 + valence)/2 equally, the negative ones the
        rest), or from an ``image`` whose reading drives the new ones. A picture to paint ``onto`` gives the content:
        its context states stand beside the emotion's. With ``strength`` (0 to 1) that picture, else the image, is
        also where the denoising starts. ``prompt`` may say what to show (``"a {emotion} street"``). Picture i has
        seed ``seed + i`` and is the same bytes whatever ``n`` is; a larger ``batch_size`` is faster, and may
        round the last bit otherwise. Pictures are given as to :meth:`understand`; each one made has its ``recipe``, and
        ``save`` keeps it in the PNG. One that the diffusion model's safety checker flags is black and ``flagged``.

        Errors: those of :class:`emosym.request.Request`, of opening a picture, ``generate.understanding-only``.
        """
        shown, kept = (None if one is None else as_source(one) for one in (image, onto))
        request = Request(
            emotion, mixture, shown, n, prompt or PROMPT, seed, steps, guidance_scale, strength, valence, kept
        )
        return self.paint(request, batch_size=batch_size, on_step=on_step)

    def paint(
        self, request: Request, *, batch_size: int = 1, on_step: OnStep | None = None
    ) -> list[Generated]:
        """The pictures of a request; :meth:`generate` makes it of plain arguments."""
        generation = self.require_generation()
        if request.image is None:
            states, weights = None, torch.tensor(request.weights(self.labels))
        else:
            states, probabilities = self.read([Sample.of(request.image)])
            weights = probabilities[0].cpu()
        content = None if request.onto is None else self.read([Sample.of(request.onto)])[0]
        with self.builder.naming():
            made = generation.generate(
                request, weights, states, content, batch_size=batch_size, on_step=on_step
            )
        recipe = self.recipe(request).model_dump(exclude_none=True)
        flag = {"flagged": True}
        return [
            replace(one, recipe={**recipe, "seed": one.seed, **(flag if one.flagged else {})}) for one in made
        ]

    def recipe(self, request: Request) -> Recipe:
        """All on which the bytes of a request's first picture depend, as this system would make it here."""
        head = self.require_generation().diffusion
        used = dict(head.sampling(request.steps, request.guidance_scale))
        makers = [self.resolved.offers[path].plugin.distribution for path in (*READING, *PAINTING)]
        return Recipe(
            **asked(request),
            prompt=request.prompt,
            seed=request.seed,
            settings={**request.settings, **used, "size": list(head.image_size)},
            pictures=pictures_of(request),
            system=Maker(name=self.resolved.spec.name, hash=self.fingerprint()),
            device=self.device.type,
            precision=self.precision,
            versions=versions_of(makers),
        )

    def fingerprint(self) -> str:
        """sha256 of all that readings and pictures depend on: what training has changed, the diffusion model with all its
        weights, the components and their parameters. The backbone's own weights count by their name alone."""
        spec, written = self.resolved.spec, self.resolved.document(qualified=True)
        known: dict[str, Any] = {name: written.get(name) for name in (*READING, *PAINTING, "head", "reading")}
        if self.generation is not None:
            known["context_scale"] = self.generation.context_scale
            known["weights"] = self.generation.diffusion.fingerprint()
            known["diffusion"]["params"].pop("model", None)  # wherever its weights lie
        known["labels"] = list(self.labels.names)
        known["seed"] = spec.seed
        tensors = {f"{part}.{key}": value for part, own in self.state().items() for key, value in own.items()}
        start = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        return hash_tensors(tensors, start=start)

    def require_generation(self) -> Generation:
        """The generating half. Errors: ``generate.understanding-only`` where the spec has none."""
        if self.generation is None:
            if self.explicit:
                raise EmosymError(
                    "generate.understanding-only",
                    "this system cannot generate: it writes its reasons (reading: explicit) and has no states to paint from",
                    hint="use a system that was trained with reading: latent",
                )
            missing = [name for name in PAINTING if getattr(self.resolved.spec, name) is None]
            lack = f"its spec has no {', '.join(missing)}" if missing else "it was loaded with generate=False"
            raise EmosymError(
                "generate.understanding-only",
                f"this system cannot generate: {lack}",
                hint="add them to the spec and run the unify stage",
            )
        return self.generation

    # ---- how it shows

    def _components(self) -> dict[str, str]:
        return {
            path: self.resolved.component(path)
            for path in (*READING, *PAINTING)
            if path in self.resolved.offers
        }

    def __repr__(self) -> str:
        parts = " + ".join(self._components().values())
        return f"System({self.resolved.spec.name}: {parts}; {len(self.labels)} emotions; {self.device}, {self.precision})"

    def _repr_html_(self) -> str:
        """Its parts with their packages and sizes, and its emotions."""
        modules, saved = self.modules(), self.state()
        rows = []
        for path, name in {
            **self._components(),
            **({} if self.explicit else {"head": "the core's own"}),
        }.items():
            offer = self.resolved.offers.get(path)
            own = saved.get(PART.get(path, path), {})
            size = sum(one.numel() for one in modules[path].parameters())
            trained = sum(one.numel() for one in own.values())
            package = "" if offer is None else offer.plugin.package
            rows.append((path, name, package, f"{size:,}", f"{trained:,}"))
        return table(
            f"System {self.resolved.spec.name}",
            ("part", "component", "package", "parameters", "saved"),
            rows,
            [
                f"{len(self.labels)} emotions: {', '.join(self.labels.names)}",
                f"{self.device}, {self.precision}",
                *([EMBEDDED] if self.resolved.embedded("backbone", "diffusion") else []),
            ],
        )

    # ---- saving

    def save(self, folder: Path | str, *, knowledge: bool = True) -> Path:
        """Save spec, weights (not the frozen bases) and kept knowledge to a folder, whole or not at all.

        Without ``knowledge`` the texts of the training data stay out, and what is loaded from there gives no reasons.
        """
        folder = Path(folder)
        parts = self.state()
        facts = {
            "emosym": version("emosym"),
            "api_version": API_VERSION,
            "labels": list(self.labels.names),
            "text_width": self.text_width,
        }
        with written_whole(folder, size_of(parts)) as partial:
            partial.mkdir(parents=True)
            self.resolved.save(partial, qualified=True)
            files = write_state(partial, parts)
            if knowledge and self.knowledge is not None:
                files |= self.knowledge.write(partial)
            (partial / "system.json").write_text(json_text({**facts, "files": files}), encoding="utf-8")
        return folder

    def save_pretrained(self, folder: Path | str, *, knowledge: bool = True) -> Path:
        """Save to a folder that may leave this machine: as :meth:`save`, without paths of data, and with a model card.

        Errors: those of :meth:`save`.
        """
        folder = self.save(folder, knowledge=knowledge)
        write_portable(folder, self.resolved)
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool = False,
        knowledge: bool = True,
    ) -> str:
        """Upload the system to the Hugging Face hub as ``OWNER/NAME``, which is made where it is not there; the address of
        the commit. A card that is there already stays.

        Without ``knowledge`` the texts of the training data that :meth:`reasons` gives stay here; those that an earlier
        push has uploaded are taken out of the repository, but not out of its history. Errors: ``hub.bad-id``,
        ``hub.local-model``, ``hub.no-access``, ``hub.no-such-revision``, ``hub.unreachable``.
        """
        require_public(self.resolved)
        with TemporaryDirectory() as temporary:
            folder = self.save(Path(temporary) / "system", knowledge=knowledge)
            write_portable(folder, self.resolved, repo_id)
            return pushed(
                folder,
                repo_id,
                token=token,
                private=private,
                branch=branch,
                commit_message=commit_message,
                create_pr=create_pr,
            )

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: Path | str | None = None,
        local_files_only: bool = False,
        sets: Sequence[str] = (),
        generate: bool = True,
        device: str = "auto",
        precision: str = "auto",
        registry: Registry | None = None,
        trust_remote_code: bool = False,
    ) -> System:
        """Load a system from the Hugging Face hub (``OWNER/NAME``), or from a folder as :meth:`load` does.

        Of a repository only what a saved system consists of is fetched, into the hub's cache: a spec and safetensors, no
        code. It is loaded under the rules of a folder: components come from installed plugins of the packages that it
        names, and models with code of their own are refused without ``trust_remote_code``. ``revision`` is a branch, a tag or
        a commit. Errors: those of :meth:`load`, ``hub.no-such-system``, ``hub.no-such-revision``, ``hub.no-access``,
        ``hub.unreachable``.
        """
        folder = fetched(
            name, revision=revision, token=token, cache_dir=cache_dir, local_files_only=local_files_only
        )
        return cls.load(
            folder,
            sets=sets,
            generate=generate,
            device=device,
            precision=precision,
            registry=registry,
            trust_remote_code=trust_remote_code,
        )

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        sets: Sequence[str] = (),
        generate: bool = True,
        also: Sequence[str] = (),
        device: str = "auto",
        precision: str = "auto",
        registry: Registry | None = None,
        trust_remote_code: bool = False,
    ) -> System:
        """Load a saved system: a ``system/`` folder, or a run folder that holds one.

        ``sets`` are ``key.path=value`` overrides of its spec. ``generate=False`` leaves the diffusion head
        out, which takes no part in understanding. Only what reads and paints must be installed: no metric,
        reward, judge or bank, but for the sections in ``also`` ("metrics", "judges.evaluate").
        """
        folder, facts = find_saved(Path(folder))
        registry = registry or load_registry()
        parts = READING + (PAINTING if generate else ())
        resolved = load_spec(folder / "spec.yaml", registry=registry, sets=sets, use=(*parts, *also))
        builder = builder_of(resolved, registry, device, precision, trust_remote_code)
        system = cls.assemble(builder, text_width=facts.text_width)
        state = read_state(folder, facts.files)
        if not generate:
            state = {name: tensors for name, tensors in state.items() if name not in PAINTING}
        system.load_state(state)
        system.knowledge = read_index(folder, facts.files)
        for module in system.modules().values():
            module.eval()
        return system


load = System.load
"""``emosym.load("runs/tiny/system")``: see :meth:`System.load`."""
