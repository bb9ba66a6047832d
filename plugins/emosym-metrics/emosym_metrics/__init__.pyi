from .config import (
    ImageClassifierConfig as ImageClassifierConfig,
    OpenClipJudgeConfig as OpenClipJudgeConfig,
    ProbeConfig as ProbeConfig,
    SentenceConfig as SentenceConfig,
    TextEncoderConfig as TextEncoderConfig,
)
from .judges.image_classifier import ImageClassifierJudge as ImageClassifierJudge
from .judges.open_clip import OpenClipJudge as OpenClipJudge
from .judges.probe import ProbeJudge as ProbeJudge
from .sentence import SentenceEncoder as SentenceEncoder
from .text_encoder import OpenClipTextEncoder as OpenClipTextEncoder
