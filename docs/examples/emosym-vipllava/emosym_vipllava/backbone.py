from emosym_vlm.base import VisionLanguageBackbone


class VipLlava(VisionLanguageBackbone):
    families = ("vipllava",)
