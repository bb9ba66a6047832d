from .config import (
    ImageClassifierConfig as ImageClassifierConfig,
    OpenClipJudgeConfig as OpenClipJudgeConfig,
    SentenceConfig as SentenceConfig,
    TextEncoderConfig as TextEncoderConfig,
)
from .judges.image_classifier import ImageClassifierJudge as ImageClassifierJudge
from .judges.open_clip import OpenClipJudge as OpenClipJudge
from .sentence import SentenceEncoder as SentenceEncoder
from .text_encoder import OpenClipTextEncoder as OpenClipTextEncoder
