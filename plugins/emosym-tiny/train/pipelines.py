"""The two diffusion models as pipelines: how they are built, conditioned and saved."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from train.figures import write_json
from train.prompts import SECOND_WIDTH, WIDTH, first_encoder, prompt_tokenizer, second_encoder
from train.vae import CHANNELS

LATENT, PIXELS = 8, 64
TIME_ID_WIDTH = 32
TIME_IDS = (PIXELS, PIXELS, 0, 0, PIXELS, PIXELS)
"""Original size, crop corner and target size, as StableDiffusionXLPipeline passes them for whole pictures."""
GUIDANCE, SAMPLING_STEPS = 2.0, 20

Pipeline = StableDiffusionPipeline | StableDiffusionXLPipeline


def unet(*, xl: bool) -> UNet2DConditionModel:
    """Two levels, each attending to the text; SDXL's has a wider text and the added embedding."""
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": TIME_ID_WIDTH,
        "projection_class_embeddings_input_dim": SECOND_WIDTH + len(TIME_IDS) * TIME_ID_WIDTH,
    }
    model = UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(64, 96),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        mid_block_type=None,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        attention_head_dim=4,
        cross_attention_dim=WIDTH + SECOND_WIDTH if xl else WIDTH,
        norm_num_groups=8,
        **(added if xl else {}),
    )
    # The fused attention's backward pass takes twice the time of plain matrix products on a CPU.
    model.set_attn_processor(AttnProcessor())
    return model.to(memory_format=torch.channels_last)


def modules(seed: int, *, xl: bool) -> nn.ModuleDict:
    """What is trained: the UNet and its text encoder or encoders."""
    torch.manual_seed(seed)
    if not xl:
        return nn.ModuleDict({"unet": unet(xl=False), "text_encoder": first_encoder(layers=2)})
    trained = nn.ModuleDict({"unet": unet(xl=True)})
    torch.manual_seed(seed + 1)
    # SDXL reads the layer before the last, so its first encoder has one layer more than Stable Diffusion's.
    trained.update({"text_encoder": first_encoder(layers=3), "text_encoder_2": second_encoder()})
    return trained


def condition(parts: nn.ModuleDict, ids: Tensor) -> dict[str, object]:
    """What the UNet of either model is told about a prompt, by the names of its arguments."""
    if "text_encoder_2" not in parts:
        return {"encoder_hidden_states": parts["text_encoder"](ids).last_hidden_state}
    first = parts["text_encoder"](ids, output_hidden_states=True)
    second = parts["text_encoder_2"](ids, output_hidden_states=True)
    time_ids = torch.tensor([TIME_IDS], dtype=torch.float32).expand(len(ids), -1)
    return {
        "encoder_hidden_states": torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1),
        "added_cond_kwargs": {"text_embeds": second.text_embeds, "time_ids": time_ids},
    }


def scheduler() -> DPMSolverMultistepScheduler:
    """DPM-Solver++ from pure noise: without zero terminal SNR the starting noise would set the brightness."""
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
    )


def pipeline(parts: nn.ModuleDict, vae: AutoencoderKL) -> Pipeline:
    """The pipeline around these very modules."""
    shared = {"vae": vae, "scheduler": scheduler(), "tokenizer": prompt_tokenizer(), **parts}
    if "text_encoder_2" not in parts:
        extras = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        return StableDiffusionPipeline(**shared, **extras)
    # An empty prompt is what both encoders make of it, as in training, and not a tensor of zeros.
    return StableDiffusionXLPipeline(
        **shared, tokenizer_2=prompt_tokenizer(), force_zeros_for_empty_prompt=False, add_watermarker=False
    )


def save(parts: nn.ModuleDict, vae: AutoencoderKL, folder: Path) -> None:
    """Write a folder that ``from_pretrained`` of the pipeline's class loads, weights in fp16."""
    halves = copy.deepcopy(parts).half().eval()
    pipeline(halves, copy.deepcopy(vae).half()).save_pretrained(folder, safe_serialization=True)
    defaults = {"steps": SAMPLING_STEPS, "guidance_scale": GUIDANCE}
    (folder / "emosym.json").write_text(json.dumps(defaults) + "\n")
    for path in folder.glob("*/config.json"):
        known = json.loads(path.read_text())
        # No folder of this machine, and float32 by default: unless told a dtype, transformers loads what the
        # configuration names and diffusers float32, and they must agree.
        known.pop("_name_or_path", None)
        dtype = {"dtype": "float32"} if path.parent.name.startswith("text_encoder") else {}
        write_json(path, known | dtype)


@torch.no_grad()
def sample(pipe: Pipeline, prompts: list[str], seed: int) -> Tensor:
    """Pictures [N,3,64,64] in [0,1], drawn through the pipeline's own call."""
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": SAMPLING_STEPS, "guidance_scale": GUIDANCE, "output_type": "pt"}
    parts = []
    for first in range(0, len(prompts), 70):
        generator = torch.Generator().manual_seed(seed + first)
        parts.append(pipe(prompts[first : first + 70], generator=generator, **options).images.float())
    return torch.cat(parts)
