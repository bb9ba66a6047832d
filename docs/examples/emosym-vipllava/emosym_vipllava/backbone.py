from emosym_vlm import VisionLanguageBackbone


class VipLlava(VisionLanguageBackbone):
    families = ("vipllava",)
