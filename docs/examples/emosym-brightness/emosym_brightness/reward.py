import torch

from emosym.contracts import RewardVerifier


class Brightness(RewardVerifier):
    needs = ("attributes",)
    attribute_keys = ("brightness",)

    def __init__(self, config, context):
        super().__init__(config, context)
        context.labels.require_signs("reward brightness")
        self.positive = torch.tensor([context.labels.positive(i) for i in range(len(context.labels))])

    def score(self, rollouts):
        values = torch.tensor([s.attributes.get("brightness", torch.nan) for s in rollouts.samples])
        bright, known = values[:, None] >= self.config.threshold, ~values[:, None].isnan()
        return (known & (self.positive[rollouts.actions.cpu()] == bright)).float()
