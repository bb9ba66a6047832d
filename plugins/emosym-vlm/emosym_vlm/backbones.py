"""The three backbones: one base, told apart by the families they accept."""

from __future__ import annotations

import torch
from emosym_registry import EmosymError
from PIL import Image
from torch import Tensor

from emosym.contracts import QUESTION, Context, Sample
from emosym_vlm.base import VisionLanguageBackbone
from emosym_vlm.config import HFVLMConfig, LlavaConfig, QwenVLConfig
from emosym_vlm.loading import LINES
from emosym_vlm.prefix import Continuation

_EXACT, _ROUNDED = 1e-3, 5e-2
"""Relative differences of a state that rounding explains: in float32, and in half precision or few bits."""


class QwenVL(VisionLanguageBackbone[QwenVLConfig]):
    """Qwen's vision-language models: images at their own size, multimodal rotary positions."""

    families = LINES["qwen-vl"]
    longest_ratio = 200.0  # smart_resize of its image processors refuses longer ones


class Llava(VisionLanguageBackbone[LlavaConfig]):
    """The LLaVA line: a vision tower, a projector and any language model."""

    families = LINES["llava"]


class HFVLM(VisionLanguageBackbone[HFVLMConfig]):
    """Whatever AutoModelForImageTextToText loads and whose forward takes ready image features.

    Nobody has looked at its family, so the model reads a small picture once it is loaded: :meth:`self_test`.
    """

    def __init__(self, config: HFVLMConfig, context: Context) -> None:
        super().__init__(config, context)
        if config.self_test:
            with torch.compiler.set_stance("force_eager"):
                self.self_test()

    @torch.no_grad()
    def self_test(self) -> None:
        """Hold the model to what reasoning tokens rest on, by two passes over a picture and a read.

        No state, of the prompt or of a token, may depend on later tokens; and reading after an encoded prompt
        must give the states of one pass. Errors: ``backbone.not-causal``, ``backbone.read-differs``.
        """
        # So small that no family scales it down.
        samples = [Sample("self-test", (Image.linear_gradient("L").resize((32, 32)).convert("RGB"),))]
        words = self.processor.tokenizer(QUESTION, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([words[:4], words[:2] + words[-2:]], device=self.device)
        tokens, changed = self.model.get_input_embeddings()(ids).split(1)
        batch = self._batch(samples, None, 4)
        states, others = (self._whole(batch, vectors) for vectors in (tokens, changed))
        leak = _largest_change(states[:, :-2], others[:, :-2])
        if leak > self._rounding:
            raise self._misread(
                "backbone.not-causal",
                f"a state changes with the tokens after it (by {leak:.2g} of its norm), as where a prompt "
                "is read in both directions",
                "its family needs a backbone of its own (emosym plugins new NAME --kind backbone)",
            )
        if self.shares_prefixes:
            after = Continuation(self.model, self.encode(samples), self._filler)
            difference = _largest_change(states[:, -4:], after.read(tokens))
            if difference > self._rounding:
                raise self._misread(
                    "backbone.read-differs",
                    f"reading after an encoded prompt gives states that differ (by {difference:.2g} of their "
                    "norm) from those of one pass",
                    "use another model, or report this one",
                )

    @property
    def _rounding(self) -> float:
        exact = self.model.dtype == torch.float32 and self.config.quantization == "none"
        return _EXACT if exact else _ROUNDED

    def _misread(self, id: str, what: str, todo: str) -> EmosymError:
        return EmosymError(
            id,
            f"{self.config.model}: in this {self.model.config.model_type!r} model {what}",
            hint=f"{todo}; what else differs: emosym plugins check hf-vlm --param model={self.config.model} "
            "--param self_test=false",
        )


def _largest_change(states: Tensor, others: Tensor) -> float:
    """Of one state [D] in [B,N,D], as a share of its norm."""
    norms = states.float().norm(dim=-1).clamp(min=1e-12)
    return float(((states - others).float().norm(dim=-1) / norms).max())
