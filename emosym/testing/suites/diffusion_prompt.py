"""Checks of diffusion heads: vectors in prompts."""

from __future__ import annotations

import torch
from emosym_registry.errors import some

from emosym.contracts import PLACEHOLDER
from emosym.testing.adapters import require_same_tensors
from emosym.testing.checks import check, require
from emosym.testing.probes import finite, mixed, refusal
from emosym.testing.suites.diffusion_base import BATCH, DiffusionChecks


class PromptChecks(DiffusionChecks):
    """Vectors enter at the placeholder, matter there, and leave nothing behind."""

    @check(
        "diffusion.condition",
        "a finite condition of B samples, indexable, for prompts with and without vectors",
    )
    def test_condition(self) -> None:
        """The denoiser attends to it; guidance needs the empty prompt's beside it."""
        plain = self.subject.condition(None, ["a street", ""])
        for condition in (self.condition(), plain):
            parts = {"hidden": condition.hidden, "pooled": condition.pooled, **condition.extra}
            require(condition.hidden.ndim == 3, f"hidden of shape {list(condition.hidden.shape)}")
            for name, part in parts.items():
                if part is not None:
                    require(
                        len(part) == BATCH and finite(part),
                        f"{name} of shape {list(part.shape)}, or not finite",
                    )
            require(len(condition[:1]) == 1, f"{len(condition[:1])} samples after taking the first")
        require(not plain.hidden.requires_grad, "a graph for a prompt without vectors")

    @check("diffusion.reaches-vectors", "a gradient from the condition to every vector of every text encoder")
    def test_reaches_vectors(self) -> None:
        """A text encoder that is left out never learns what the emotion is."""
        vectors = self.vectors(gradient=True)
        condition = self.subject.condition(vectors, self.prompts())
        total = mixed(condition.hidden) + (0 if condition.pooled is None else mixed(condition.pooled))
        missed = self.missed(total, vectors)
        require(not missed, f"no gradient at {some(missed)}")

    @check("diffusion.vectors-matter", "another condition where one vector of one text encoder is another")
    def test_vectors_matter(self) -> None:
        """Vectors that are read at the wrong place, or not at all, leave a prompt with a filler word in
        it."""
        base = self.condition()
        for number in range(len(self.subject.token_widths)):
            for place in range(2):
                vectors = [one.clone() for one in self.vectors()]
                vectors[number][0, place] *= -1
                other = self.condition(tuple(vectors))
                require(
                    self.apart(base[:1], other[:1]) > 1e-4, f"no change by vector {place} of encoder {number}"
                )
                require(self.apart(base[1:], other[1:]) < 1e-4, "a change in another sample's condition")

    @check("diffusion.vector-count", "as many vectors in a prompt as the fusion gives")
    def test_vector_count(self) -> None:
        """n is a parameter of the fusion, of which the head is told nothing but the tensor."""
        four = self.vectors(places=4)
        base, first = self.condition(four), self.condition(tuple(one[:, :1] for one in four))
        require(self.apart(base, first) > 1e-4, "the same condition for four vectors and the first alone")
        turned = tuple(torch.cat([one[:, :-1], -one[:, -1:]], 1) for one in four)
        require(self.apart(base, self.condition(turned)) > 1e-4, "no change by the last of four vectors")

    @check(
        "diffusion.text-matters",
        "a condition that depends on the text before and behind the placeholder",
        tier="capability",
    )
    def test_text_matters(self) -> None:
        """A content prompt says what to show; the order of its words is part of it."""
        self.require_text()
        prompts = [
            f"a {PLACEHOLDER} street",
            f"{PLACEHOLDER} street",
            f"a {PLACEHOLDER}",
            f"a street {PLACEHOLDER}",
        ]
        conditions = [self.condition(prompts=[prompt] * BATCH) for prompt in prompts]
        for prompt, other in zip(prompts[1:], conditions[1:], strict=True):
            require(
                self.apart(conditions[0], other) > 1e-4,
                f"the same condition for {prompts[0]!r} and {prompt!r}",
            )

    @check("diffusion.condition-batch", "a sample's condition to be the same whatever else is in the batch")
    def test_condition_batch(self) -> None:
        """Prompts of other lengths are padded; what pads one must not be read by another."""
        prompts = [self.prompt, f"{PLACEHOLDER}"]
        together = self.condition(prompts=prompts)
        for row, prompt in enumerate(prompts):
            alone = self.condition(tuple(one[row : row + 1] for one in self.vectors()), [prompt])
            difference = self.apart(alone, together[row : row + 1])
            require(
                difference < 1e-4, f"a difference of {difference:.3g} for {prompt!r} alone and in a batch"
            )

    @check("diffusion.placeholder", "an error where placeholders and vectors do not match", tier="capability")
    def test_placeholder(self) -> None:
        """Vectors without a place, and a place without vectors, both give a picture of something else."""
        self.require_text()
        for prompt, vectors in (
            ("a street", self.vectors(1)),
            (f"{PLACEHOLDER} or {PLACEHOLDER}", self.vectors(1)),
            (f"a {PLACEHOLDER} street", None),
        ):
            error = refusal(self.subject.condition, vectors, [prompt])
            given = "vectors" if vectors is not None else "no vectors"
            require(error is not None, f"that {prompt!r} with {given} is taken")

    @check(
        "diffusion.never-truncates", "a prompt that is too long to be refused, never cut", tier="capability"
    )
    def test_never_truncates(self) -> None:
        """Text cut silently at 77 tokens is one of the faults of the method's public code."""
        self.require_text()
        long = "a street " * 400
        for vectors, start in ((self.vectors(1), f"{PLACEHOLDER} {long}"), (None, long)):
            if refusal(self.subject.condition, vectors, [start]) is None:
                ends = [self.subject.condition(vectors, [start + end]) for end in ("a", "street")]
                require(self.apart(*ends) > 0.0, "that the end of 800 words is not read")

    @check(
        "diffusion.vocabulary",
        "weights and their number as they were, and plain prompts read as before",
        tier="capability",
    )
    def test_vocabulary(self) -> None:
        """Words that drift while vectors train change every other prompt; two runs could no longer share a
        base."""
        self.require_text()
        head = self.subject
        before = {name: value.clone() for name, value in head.state_dict().items()}
        plain = head.condition(None, ["a street"])
        vectors = self.vectors(gradient=True)
        self.loss(head.condition(vectors, self.prompts())).sum().backward()
        head.zero_grad(set_to_none=True)
        require_same_tensors(before, head.state_dict())
        difference = self.apart(plain, head.condition(None, ["a street"]))
        require(difference == 0.0, f"a plain prompt whose condition differs by {difference:.3g}")

    @check(
        "diffusion.vectors-learn", "a lower loss after 30 optimiser steps on the vectors alone", tier="slow"
    )
    def test_vectors_learn(self) -> None:
        """A gradient that is there may still point the wrong way, or be lost in half precision."""
        vectors = self.vectors(gradient=True)
        learning = [
            {"params": [one], "lr": 0.1 * norm / one.shape[-1] ** 0.5}
            for one, norm in zip(vectors, self.subject.token_norms, strict=True)
        ]
        optimiser, losses = torch.optim.Adam(learning), []
        for _ in range(31):
            optimiser.zero_grad()
            loss = self.loss(self.subject.condition(vectors, self.prompts())).mean()
            loss.backward(inputs=list(vectors))
            optimiser.step()
            losses.append(float(loss.detach()))
        require(losses[-1] < losses[0], f"a loss of {losses[0]:.6g} before and {losses[-1]:.6g} after")
