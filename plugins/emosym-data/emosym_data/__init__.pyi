from .config import EmoSetConfig as EmoSetConfig, ReaderConfig as ReaderConfig
from .emoset import EmoSet as EmoSet
