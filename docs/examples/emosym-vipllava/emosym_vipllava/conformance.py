from transformers import AutoConfig, AutoProcessor, VipLlavaConfig, VipLlavaForConditionalGeneration

from emosym.testing import BackboneSuite, installed


class Check(BackboneSuite):
    component = "vipllava"

    def parameters(self):
        if not any(self.folder.iterdir()):
            tiny = installed().alias("backbone", "llava", "tiny")
            base, layers = AutoConfig.from_pretrained(tiny), [-2, -1]
            parts = {"vision_config": base.vision_config, "text_config": base.text_config}
            config = VipLlavaConfig(**parts, image_token_id=base.image_token_id, vision_feature_layers=layers)
            VipLlavaForConditionalGeneration(config).save_pretrained(self.folder)
            AutoProcessor.from_pretrained(tiny).save_pretrained(self.folder)
        return {"model": str(self.folder), "adapter": {"rank": 2}}
