from transformers import AutoConfig, AutoProcessor, VipLlavaConfig, VipLlavaForConditionalGeneration

from emosym.testing import BackboneSuite, installed


class Check(BackboneSuite):
    component = "vipllava"

    def parameters(self):
        tiny = installed().alias("backbone", "llava", "tiny")
        known = AutoConfig.from_pretrained(tiny).to_dict()
        parts = {key: known[key] for key in ("text_config", "vision_config", "image_token_id")}
        config = VipLlavaConfig(**parts, vision_feature_layers=[-2, -1])
        VipLlavaForConditionalGeneration(config).save_pretrained(self.folder)
        AutoProcessor.from_pretrained(tiny).save_pretrained(self.folder)
        return {"model": str(self.folder), "adapter": {"rank": 2}}
