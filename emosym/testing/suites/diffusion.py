"""Conformance of diffusion heads."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from emosym_registry.errors import some

from emosym.contracts import DiffusionHead
from emosym.testing.adapters import base_of, require_frozen
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.probes import finite, gap, in_mode, leaving_random_state, refusal
from emosym.testing.suites.diffusion_adapter import AdapterChecks
from emosym.testing.suites.diffusion_base import BATCH
from emosym.testing.suites.diffusion_prompt import PromptChecks


class DiffusionSuite(PromptChecks, AdapterChecks):
    """Conditions, losses and pictures of two prompts. Set ``params`` to a small model: pictures are made
    many times."""

    kind = "diffusion"
    contract: ClassVar[type] = DiffusionHead

    @check("diffusion.sizes", "widths and norms for each kind of vectors, width and height of the pictures")
    def test_sizes(self) -> None:
        """The fusion is built from the widths and calibrated to the norms; pictures of a dataset are
        cropped to the size."""
        widths, norms, size = self.subject.token_widths, self.subject.token_norms, self.subject.image_size
        require(len(widths) >= 1 and all(isinstance(w, int) and w > 0 for w in widths), f"widths {widths!r}")
        require(len(norms) == len(widths), f"{len(norms)} norms for {len(widths)} widths")
        require(all(math.isfinite(norm) and norm > 0 for norm in norms), f"norms {norms!r}")
        sides = isinstance(size, tuple) and all(isinstance(side, int) and side > 0 for side in size)
        require(sides and len(size) == 2, f"image_size = {size!r}")

    # ---- training

    @check(
        "diffusion.latents", "finite float32 latents [B,c,h,w] that depend on the picture, without a graph"
    )
    def test_latents(self) -> None:
        """They are computed once a picture and kept; the autoencoder never trains."""
        latents = self.subject.latents(self.pixels())
        require(latents.ndim == 4 and len(latents) == BATCH, f"shape {list(latents.shape)}")
        require(latents.dtype == torch.float32 and finite(latents), f"{latents.dtype}, or not finite")
        require(not latents.requires_grad, "latents with a graph")
        require(gap(latents[0], latents[1]) > 1e-4, "the same latents for two pictures")

    @check("diffusion.pixels", "an error for pictures of another size")
    def test_pixels(self) -> None:
        """A picture of another size has latents of another size, which the denoiser was not trained for."""
        width, height = self.subject.image_size
        for size in ((2 * width, height), (width, 2 * height)):
            wrong = torch.zeros(1, 3, *size[::-1])
            error = refusal(self.subject.latents, wrong)
            require(error is not None, f"latents of a picture of {size[0]}×{size[1]}")

    @check("diffusion.loss", "a finite loss [B], not negative")
    def test_loss(self) -> None:
        """Samples are weighted one by one (generated ones count less), so the mean is the stage's to take."""
        loss = self.loss()
        require(tuple(loss.shape) == (BATCH,), f"shape {list(loss.shape)} for B={BATCH}")
        require(finite(loss) and float(loss.detach().min()) >= 0, f"{loss.tolist()}")

    @check("diffusion.loss-batch", "a sample's loss that does not depend on the others of its batch")
    def test_loss_batch(self) -> None:
        """A mean over the batch has the right shape once it is spread over it, and trains every sample on the others'
        errors."""
        pixels, condition = self.pixels(BATCH + 1), self.condition(self.vectors(BATCH + 1))
        latents = self.subject.latents(pixels)
        losses = [
            self.subject.loss(latents[pair], condition[pair], torch.Generator().manual_seed(0))
            for pair in ([0, 1], [0, 2])
        ]
        difference = gap(losses[0][0], losses[1][0])
        require(difference < 1e-5, f"a loss that differs by {difference:.3g} beside another sample")

    @check("diffusion.loss-deterministic", "the same loss from the same generator, another from another")
    def test_loss_deterministic(self) -> None:
        """A step is repeated from its seed. A loss that ignores the generator trains on one time and one
        noise."""
        one, again, other = (self.loss(seed=seed) for seed in (0, 0, 1))
        require(
            gap(one, again) < 1e-6, f"losses that differ by {gap(one, again):.3g} with the same generator"
        )
        require(gap(one, other) > 1e-6, "the same loss with another generator")

    @check("diffusion.loss-weights", "each sample's loss scaled by its weight")
    def test_loss_weights(self) -> None:
        """A weight of zero must take a sample out, whatever else is in its batch."""
        weights = torch.tensor([0.0, 2.5])
        difference = gap(self.loss(weights=weights), self.loss() * weights)
        require(difference < 1e-5, f"losses that differ by {difference:.3g} from weight times loss")

    @check("diffusion.loss-reaches-vectors", "a gradient from the loss to every vector of every text encoder")
    def test_loss_reaches_vectors(self) -> None:
        """This gradient is all that the reasoning tokens learn from generation."""
        vectors = self.vectors(gradient=True)
        loss = self.loss(self.subject.condition(vectors, self.prompts())).sum()
        missed = self.missed(loss, vectors)
        require(not missed, f"no gradient at {some(missed)}")

    @check("diffusion.frozen", "nothing to train but `adapters()`, in training mode too")
    def test_frozen(self) -> None:
        """The base is shared by every experiment; dropout of a frozen base only adds noise to the loss."""
        require_frozen(self.subject)
        quiet = self.loss()
        with in_mode(self.subject, training=True):
            difference = gap(self.loss(), quiet)
        require(difference < 1e-5, f"a loss that differs by {difference:.3g} in training mode")

    # ---- sampling

    @check("diffusion.sample", "float32 pictures [B,3,H,W] in [0,1], without a graph")
    def test_sample(self) -> None:
        """The bank stores them, judges read them; values outside would wrap around when saved as bytes."""
        pictures, (width, height) = self.sample(), self.subject.image_size
        require(tuple(pictures.shape) == (BATCH, 3, height, width), f"shape {list(pictures.shape)}")
        require(pictures.dtype == torch.float32 and finite(pictures), f"{pictures.dtype}, or not finite")
        low, high = float(pictures.min()), float(pictures.max())
        require(low >= 0 and high <= 1 and low < high, f"values from {low:.4g} to {high:.4g}")
        require(not pictures.requires_grad, "pictures with a graph")

    @check("diffusion.sample-deterministic", "the same picture from the same generator, another from another")
    def test_sample_deterministic(self) -> None:
        """The ledger of the bank is replayed from seeds."""
        one, again, other = (self.sample(seeds=seeds) for seeds in ((1, 2), (1, 2), (3, 2)))
        require(
            gap(one, again) < 1e-6, f"pictures that differ by {gap(one, again):.3g} with the same generators"
        )
        require(gap(one[0], other[0]) > 1e-3, "the same picture with another generator")

    @check("diffusion.sample-batch", "a picture that does not depend on its batch")
    def test_sample_batch(self) -> None:
        """Picture i of seed s is the same picture whether one asks for one or for a hundred."""
        alone = self.sample(self.condition()[1:], seeds=(2,))
        difference = gap(alone[0], self.sample()[1])
        require(
            difference < 4e-3, f"a difference of {difference:.3g} between alone and in a batch of {BATCH}"
        )

    @check("diffusion.sample-condition", "another picture for other vectors from the same noise")
    def test_sample_condition(self) -> None:
        """Otherwise the emotion never reaches the picture."""
        difference = gap(self.sample(), self.sample(self.condition(seed=9)))
        require(difference > 1e-3, f"a difference of {difference:.3g}")

    @check("diffusion.guidance", "another picture with another guidance scale, zero included")
    def test_guidance(self) -> None:
        """Zero is a value, not \"take the default\"; a scale that is ignored is an experiment that was not
        run."""
        weak, strong, default = (self.sample(guidance_scale=scale) for scale in (0.0, 9.0, None))
        require(gap(weak, strong) > 1e-3, "the same pictures with guidance 0 and 9")
        require(gap(weak, default) > 1e-3, "the same pictures with guidance 0 and the default")

    @check("diffusion.steps", "`on_step(done, total)` after each step, and more of them for more steps")
    def test_steps(self) -> None:
        """The progress bar counts them, and the number of steps is a parameter of the experiment."""
        counted = []
        for steps in (2, 4):
            calls: list[tuple[int, int]] = []
            self.sample(steps=steps, on_step=lambda done, total, calls=calls: calls.append((done, total)))
            counted.append(calls)
        for calls in counted:
            wanted = [(number, len(calls)) for number in range(1, len(calls) + 1)]
            require(bool(calls) and calls == wanted, f"calls {calls}")
        require(
            len(counted[1]) > len(counted[0]), f"{len(counted[1])} calls for 4 steps, {len(counted[0])} for 2"
        )

    @check(
        "diffusion.init-image",
        "pictures that depend on `init_image`, the less on it and the more on noise the higher the strength",
        tier="capability",
    )
    def test_init_image(self) -> None:
        """`emosym generate --image` starts from a picture; where its strength does nothing, it is another
        picture."""
        pixels = self.pixels()
        if refusal(lambda: self.sample(init_image=pixels)) is not None:
            raise NotApplicable("the head does not start from a picture")
        alike = self.condition()[[0, 0]]
        by_image, by_noise = [], []
        for strength in (0.2, 0.9):
            settings: dict[str, Any] = {"strength": strength, "steps": 5, "guidance_scale": 1.0}
            first, second = self.sample(alike, seeds=(1, 1), init_image=pixels, **settings)
            by_image.append(float((first - second).abs().mean()))
            first, second = self.sample(
                alike, seeds=(1, 2), init_image=pixels[:1].expand_as(pixels), **settings
            )
            by_noise.append(float((first - second).abs().mean()))
        require(by_image[0] > 0, "the same picture from two at strength 0.2")
        require(
            by_noise[0] * by_image[1] < by_noise[1] * by_image[0],
            f"differences by another picture of {by_image[0]:.3g} at strength 0.2 and {by_image[1]:.3g} at 0.9, "
            f"by other noise of {by_noise[0]:.3g} and {by_noise[1]:.3g}",
        )

    @check("diffusion.screen", "`screen` to give a mask [B] and to change no picture")
    def test_screen(self) -> None:
        """What is flagged becomes black in one place, and is said to be."""
        pictures = self.sample()
        before = pictures.clone()
        flags = self.subject.screen(pictures)
        require(
            flags.dtype == torch.bool and tuple(flags.shape) == (BATCH,), f"{flags.dtype} {list(flags.shape)}"
        )
        require(torch.equal(pictures, before), "other pictures")

    @check("diffusion.random-state", "the global random state as it was")
    def test_random_state(self) -> None:
        """Training and image making share a process: sampling a preview must not change the next step."""
        with leaving_random_state():
            self.sample()
            self.loss()
            self.subject.latents(self.pixels(), torch.Generator().manual_seed(0))

    @check("diffusion.fingerprint", "the same fingerprint again, from the same weights built anew too")
    def test_fingerprint(self) -> None:
        """It is recorded with each bank entry, and compared by another process."""
        first = self.subject.fingerprint()
        require(isinstance(first, str) and first != "", f"{first!r}")
        self.sample()
        require(self.subject.fingerprint() == first, "another one after sampling")
        require(self.make().fingerprint() == first, "another one from a new head with the same weights")

    @check("diffusion.fingerprint-base", "another fingerprint for other base weights")
    def test_fingerprint_base(self) -> None:
        """Two models must not pass for one in the ledger."""
        head = self.make()
        with torch.no_grad():
            next(value for value in base_of(head).values() if value.is_floating_point()).mul_(1.5)
        require(head.fingerprint() != self.subject.fingerprint(), "the same one")
