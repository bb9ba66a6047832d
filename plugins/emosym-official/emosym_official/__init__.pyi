from .config import OfficialFusionConfig as OfficialFusionConfig
from .convert import import_official as import_official
from .fusion import OfficialFusion as OfficialFusion
from .report import Report as Report
