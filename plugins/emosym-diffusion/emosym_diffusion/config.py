"""Parameters of the diffusion heads; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from emosym.contracts import ComponentConfig

STEPS, GUIDANCE_SCALE = 50, 7.5
"""Of the paper's sampling, and diffusers' own defaults for Stable Diffusion."""
_TORCH_WORDS = {None: "auto", "float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def _one_convention(word: Any) -> Any:
    """torch's names of precisions, and null for the run's, were the words of earlier specs."""
    return _TORCH_WORDS.get(word, word) if word is None or isinstance(word, str) else word


Precision = Annotated[Literal["auto", "fp32", "bf16", "fp16"], BeforeValidator(_one_convention)]
Side = Annotated[int, Field(ge=8)]


class UnetLora(ComponentConfig):
    """A low-rank adapter on the denoiser, the only weights of a head that train."""

    rank: int = Field(default=4, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    """Scale is alpha / rank; null means alpha = rank."""
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    """Names of the layers that are adapted, as PEFT understands them."""


class DiffusionConfig(ComponentConfig):
    """What every latent diffusion head takes."""

    hub_models = True
    model: str
    """An alias, a pipeline folder in diffusers' layout, or a hub id."""
    vae: str | None = None
    """Another autoencoder: its folder or hub id, or a pipeline folder that has one in ``vae``."""
    variant: str | None = None
    """Weight variant such as ``fp16``: reads ``*.fp16.safetensors``."""
    local_files_only: bool = False
    """Never ask the hub; a hub id must then be in the local cache."""
    dtype: Precision = "auto"
    """Precision of the frozen weights; ``auto`` takes the run's, fp32 where the run names none."""
    device_map: dict[Literal["text", "unet", "vae"], int | str] | None = None
    """Parts that lie elsewhere than the run's device, such as ``{text: cpu, vae: "cuda:1"}`` on a small card.
    They compute where they lie; what passes between them is moved."""
    image_size: Side | tuple[Side, Side] | None = None
    """Side of square pictures in pixels, or ``[width, height]``; null takes the size that the denoiser was
    trained for."""

    scheduler: str | None = None
    """A diffusers scheduler for sampling, such as ``UniPCMultistepScheduler``. Null takes the folder's own,
    and ``DPMSolverMultistepScheduler`` where the folder holds the training scheduler ``DDPMScheduler``."""
    scheduler_options: dict[str, Any] = Field(default_factory=dict)
    """Options of that scheduler's constructor, over those saved in the folder (``{use_karras_sigmas:
    true}``)."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps; null takes ``steps`` of the folder's ``emosym.json``, else 50."""
    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance; 0 and 1 switch it off. Null takes ``guidance_scale`` of the folder's
    ``emosym.json``, else 7.5."""
    decode_batch: int = Field(default=8, ge=1)
    """Pictures that the autoencoder encodes or decodes at a time, and the safety checker looks at."""
    safety_checker: bool = True
    """Black out the pictures that the safety checker of the model flags, where ``model_index.json`` names one (Stable
    Diffusion 1.x); it is opened at the first sampling. Whoever leaves it out answers for what is shown: the licences of
    these models (OpenRAIL-M) forbid uses, with and without it."""

    min_snr_gamma: float | None = Field(default=None, gt=0)
    """Min-SNR loss weighting (Hang et al. 2023; 5 is usual); null weights all times the same."""
    unet_lora: UnetLora | None = None
    gradient_checkpointing: bool = False
    """Recompute the denoiser's activations in the backward pass: less memory, a third more time."""

    attention: Literal["auto", "sdpa", "plain", "xformers"] = "auto"
    """How the denoiser attends. ``auto`` takes ``plain`` matrix products on a CPU, where the latents are at most 32 wide and
    they train faster than ``sdpa`` (twice as fast in bfloat16), and ``sdpa`` elsewhere."""
    vae_slicing: bool = False
    vae_tiling: bool = False
    compile: bool = False
    """Compile the denoiser with ``torch.compile``."""


class StableDiffusionConfig(DiffusionConfig):
    """Head ``sd``: Stable Diffusion 1.x and 2.x."""


class StableDiffusionXLConfig(DiffusionConfig):
    """Head ``sdxl``: Stable Diffusion XL base."""


class SamplingDefaults(ComponentConfig):
    """What a model's folder says in ``emosym.json`` about how it samples best."""

    steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = Field(default=None, ge=0)
