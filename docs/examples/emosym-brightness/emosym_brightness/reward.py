import torch
from emosym.contracts import Needs, RewardVerifier


class Brightness(RewardVerifier):
    needs = Needs(attributes=("brightness",))

    def __init__(self, config, context):
        self.config, self.context = config, context
        self.positive = torch.tensor([context.labels.positive(i) for i in range(len(context.labels))])

    def score(self, rollouts):
        values = torch.tensor([s.attributes.get("brightness", float("nan")) for s in rollouts.samples])[:, None]
        right = self.positive[rollouts.actions.cpu()] == (values >= self.config.threshold)
        return (right & ~values.isnan()).float()
