"""Conformance of text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import TextEncoder
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import OBJECTS, SCENES
from emosym.testing.probes import finite, gap, leaving_random_state

CLOSE = 1e-4
"""How far float32 features of one text may differ between batches of other sizes."""


class TextEncoderSuite(ComponentSuite):
    """Features of :attr:`texts`; name others where yours reads another language."""

    kind = "text_encoder"
    contract: ClassVar[type] = TextEncoder
    texts: ClassVar[Sequence[str]] = tuple(
        f"a {thing} in a {scene}" for thing, scene in zip(OBJECTS, SCENES, strict=True)
    )

    def features(self, texts: Sequence[str] | None = None) -> Tensor:
        """Those of :attr:`texts`, or of others."""
        features: Tensor = self.subject.encode(list(self.texts if texts is None else texts))
        return features

    def states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States of tokens and their mask, of an encoder that has them."""
        try:
            states, mask = self.subject.token_states(list(texts))
        except EmosymError as error:
            if error.id == "text.no-token-states":
                raise NotApplicable("the encoder gives features alone") from error
            raise
        return states, mask

    @check("text-encoder.shape", "features of shape [B,W] with W = `width`, float32, finite")
    def test_shape(self) -> None:
        """The compressor's projection is built for `width` before a single text is read."""
        width, features = self.subject.width, self.features()
        require(isinstance(width, int) and width > 0, f"width = {width!r}")
        require(
            tuple(features.shape) == (len(self.texts), width),
            f"shape {list(features.shape)} for width {width}",
        )
        require(features.dtype == torch.float32, f"{features.dtype}")
        require(finite(features), "a feature that is no number")

    @check(
        "text-encoder.token-states",
        "finite states [B,L,W] of tokens and a bool mask [B,L] of the real ones, alike in any batch",
        tier="capability",
    )
    def test_token_states(self) -> None:
        """What attends to single words reads them by the mask; padding that passes for a word is noise."""
        states, mask = self.states(self.texts)
        shape = (len(self.texts), mask.shape[-1], self.subject.width)
        require(tuple(states.shape) == shape, f"states {list(states.shape)} for {list(shape)}")
        require(
            mask.dtype == torch.bool and tuple(mask.shape) == shape[:2],
            f"a {mask.dtype} mask {list(mask.shape)}",
        )
        require(bool(mask.any(1).all()), "a text without a real token")
        require(
            finite(states[mask]) and not states.requires_grad, "a state that is no number, or has a gradient"
        )
        for row, text in enumerate(self.texts):
            alone, real = self.states([text])
            apart = gap(alone[real], states[row][mask[row]])
            require(apart < CLOSE, f"a difference of {apart:.3g} for {text!r} alone")

    @check("text-encoder.unit-norm", "features of length one")
    def test_unit_norm(self) -> None:
        """InfoNCE and retrieval take inner products for cosines; a longer text must not weigh more."""
        lengths = self.features().norm(dim=-1)
        require(
            float((lengths - 1).abs().max()) < CLOSE,
            f"lengths from {lengths.min():.4g} to {lengths.max():.4g}",
        )

    @check("text-encoder.frozen", "features without gradient, from weights that do not train")
    def test_frozen(self) -> None:
        """The text side is the fixed target of the knowledge loss; where both sides move, they meet at
        nothing."""
        require(not self.features().requires_grad, "features with a gradient")
        training = [name for name, weight in self.subject.named_parameters() if weight.requires_grad]
        require(not training, f"trainable weights, such as {training[:1]}")

    @check("text-encoder.deterministic", "the same features for the same texts, in training mode too")
    def test_deterministic(self) -> None:
        """Features are cached by text; dropout in a frozen encoder would make the cache a matter of luck."""
        encoder = self.make()
        encoder.train()
        again = encoder.encode(list(self.texts))
        require(gap(self.features(), self.features()) == 0.0, "other features the second time")
        require(gap(self.features(), again) < CLOSE, "other features in training mode")

    @check(
        "text-encoder.batch", "features that do not depend on the other texts of a batch, nor on their order"
    )
    def test_batch(self) -> None:
        """Texts of different lengths are padded to one; padding that is attended to changes the shorter
        ones."""
        alone = torch.cat([self.features([text]) for text in self.texts])
        turned = self.features(list(reversed(self.texts))).flip(0)
        require(
            gap(self.features(), alone) < CLOSE, f"a difference of {gap(self.features(), alone):.3g} alone"
        )
        require(
            gap(self.features(), turned) < CLOSE,
            f"a difference of {gap(self.features(), turned):.3g} turned round",
        )

    @check("text-encoder.tells-apart", "different features for different texts")
    def test_tells_apart(self) -> None:
        """Texts with one feature are one text: the knowledge loss would pull every image to the same
        place."""
        features = self.features()
        nearest = (features @ features.T - 2 * torch.eye(len(features))).max()
        require(float(nearest) < 1 - 1e-5, f"two texts with a cosine of {float(nearest):.6f}")

    @check("text-encoder.long-text", "the end of a long text to count, or a refusal; never a silent cut")
    def test_long_text(self) -> None:
        """CLIP reads 77 tokens. Rationales are longer, and the public code cut them there without a word."""
        body = " and ".join(self.texts) + " and "
        try:
            ends = [self.features([body * 20 + text]) for text in (self.texts[0], self.texts[-1])]
        except EmosymError:
            return
        require(gap(*ends) > 1e-6, "the same features for long texts with different ends")

    @check("text-encoder.empty-text", "an empty text to have unit features, or to be refused")
    def test_empty_text(self) -> None:
        """Some annotations are empty; NaN from 0/0 would reach every weight in the next step."""
        try:
            features = self.features([""])
        except EmosymError:
            return
        require(finite(features), "a feature that is no number")
        require(abs(float(features.norm()) - 1) < CLOSE, f"a length of {float(features.norm()):.4g}")

    @check("text-encoder.random-state", "encoding to leave the global random state alone")
    def test_random_state(self) -> None:
        """Texts are encoded once and cached: a draw here would make a resumed run another run."""
        with leaving_random_state():
            self.features()
