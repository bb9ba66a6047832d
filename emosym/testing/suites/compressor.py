"""Conformance of compressors."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from emosym_registry.errors import some
from torch import Tensor, nn

from emosym.contracts import CompressBatch, LossTerms, ReasoningCompressor, States
from emosym.testing.checks import NotApplicable, check, require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import samples
from emosym.testing.probes import finite, gap, leaving_random_state, mixed, refusal, unreached
from emosym.testing.suite import SIZES

BATCH, WIDTH, TEXT = 6, SIZES.hidden_size, SIZES.text_width
LABELS = (None, 1, None, 0, None, 1)
"""Of the six samples; every other one is unlabelled."""
TEXTS = tuple(f"text {number}" for number in range(BATCH))


def features(text: str, width: int) -> Tensor:
    """A random vector of a text, always the same."""
    return torch.randn(width, generator=torch.Generator().manual_seed(zlib.crc32(text.encode())))


class CompressorSuite(ComponentSuite):
    """Tokens, and the loss of random states against the texts of six samples, some of which are labelled."""

    kind = "compressor"
    contract: ClassVar[type] = ReasoningCompressor

    def states(self, *leading: int, seed: int = 0) -> States:
        """Random states with the compressor's own K; [6] samples unless ``leading`` says otherwise."""
        draw = torch.Generator().manual_seed(seed)
        shape = leading or (BATCH,)
        context = torch.randn(*shape, self.subject.context_tokens, WIDTH, generator=draw)
        return States(context, torch.randn(*shape, WIDTH, generator=draw))

    def batch(
        self,
        *,
        states: States | None = None,
        texts: Sequence[str | None] | None = TEXTS,
        labels: Sequence[int | None] = LABELS,
        order: Sequence[int] = range(BATCH),
        **changed: Any,
    ) -> CompressBatch:
        """The six samples in an ``order``, late in the stage. The emotion head is a fixed random matrix; a reading with a text
        lies a random step from the states that :meth:`states` gives, one for each text. Without ``texts`` the run has no
        knowledge; ``changed`` are fields of the batch."""
        states = self.states() if states is None else states
        emotions = len(self.context().labels)
        classify = torch.randn(WIDTH, emotions, generator=torch.Generator().manual_seed(5)) / WIDTH**0.5
        places, rows = list(order), self.states()
        known = [None if texts is None else texts[place] for place in places]
        told = torch.tensor([-1 if labels[place] is None else labels[place] for place in places])

        def layered(last: Tensor) -> Tensor:
            return torch.stack([last / 2, last])

        def read(chosen: Sequence[int], words: Sequence[str]) -> tuple[Tensor, Tensor]:
            steps = torch.stack([features(word, WIDTH) for word in words])[:, None]
            last = rows.joined()[[places[row] for row in chosen]] + steps
            return layered(last), last[:, -1] @ classify

        states = states[places]
        vectors = [torch.zeros(TEXT) if text is None else features(text, TEXT) for text in known]
        batch = CompressBatch(
            samples=[samples(BATCH)[place] for place in places],
            states=states,
            logits=states.emotion @ classify,
            labels=told,
            targets=F.one_hot(told.clamp_min(0), emotions).float() * (told >= 0)[:, None],
            texts=known,
            knowledge=None if texts is None else F.normalize(torch.stack(vectors), dim=-1),
            present=torch.tensor([text is not None for text in known]),
            step=900,
            steps=1000,
            layers=layered(states.joined()) if self.subject.reads_layers else None,
            read=read,
        )
        return dataclasses.replace(batch, **changed)

    def terms(self, compressor: Any = None, **given: Any) -> LossTerms:
        """The loss of a :meth:`batch`."""
        terms: LossTerms = (compressor or self.subject).loss(self.batch(**given))
        return terms

    def token_parameters(self, compressor: Any) -> Mapping[str, nn.Parameter]:
        """Trainable parameters that are not the knowledge's."""
        own = compressor.knowledge_parameters()
        return {name: p for name, p in compressor.named_parameters() if p.requires_grad and name not in own}

    def require_knowledge(self) -> None:
        """End a check where the compressor takes nothing from text."""
        others = [f"other {text}" for text in TEXTS]
        same = gap(self.terms().loss, self.terms(texts=others).loss) == 0.0
        if same and not self.subject.knowledge_parameters():
            raise NotApplicable("the compressor presses no knowledge into its tokens")

    @check("compressor.tokens", "finite tokens [B,K+1,D], the same for every sample")
    def test_tokens(self) -> None:
        """Every prompt ends with the same [CTX]×K [EMO]; what differs between images is what they read."""
        count, tokens = self.subject.context_tokens, self.subject.tokens(4)
        require(isinstance(count, int) and count >= 1, f"context_tokens = {count!r}")
        require(
            tuple(tokens.shape) == (4, count + 1, WIDTH),
            f"shape {list(tokens.shape)} for B=4, K={count}, D={WIDTH}",
        )
        require(finite(tokens), "a token that is not finite")
        require(gap(tokens, tokens[:1].expand_as(tokens)) == 0.0, "other tokens for other samples of a batch")

    @check(
        "compressor.reaches-tokens",
        "a gradient from the tokens to every parameter that is not the knowledge's",
    )
    def test_reaches_tokens(self) -> None:
        """Embeddings taken through `.data` never learn: the first fault of the method's public code."""
        tokens, parameters = self.subject.tokens(2), self.token_parameters(self.subject)
        missed = unreached(mixed(tokens), parameters)
        require(not missed, f"no gradient in {some(missed)}")
        require(bool(parameters) == tokens.requires_grad, "tokens whose gradient reaches no parameter")

    @check("compressor.knowledge-parameters", "the names of `named_parameters()` in `knowledge_parameters()`")
    def test_knowledge_parameters(self) -> None:
        """Stages without knowledge freeze them by name; one that is missed stops the run as a dead tensor."""
        own, named = self.subject.knowledge_parameters(), dict(self.subject.named_parameters())
        wrong = [name for name, parameter in own.items() if named.get(name) is not parameter]
        require(not wrong, f"{some(wrong)}, which the module does not have under that name")

    @check("compressor.initialise", "tokens around the given mean with the given deviation")
    def test_initialise(self) -> None:
        """Tokens at another scale than the vocabulary are noise to the backbone, and training starts from
        nothing."""
        compressor, mean, std = self.make(), torch.linspace(-2, 3, WIDTH), 0.25
        compressor.initialise(mean, std)
        noise = compressor.tokens(1).detach()[0] - mean
        centre, spread = float(noise.mean()), float(noise.std())
        require(
            abs(centre) < std / 2 and std / 2 < spread < 2 * std,
            f"tokens {centre:.3g} ± {spread:.3g} around the mean, for a deviation of {std}",
        )

    @check(
        "compressor.set-tokens", "the tokens that are set, and an error for another number or width of them"
    )
    def test_set_tokens(self) -> None:
        """Tokens of the paper's authors are taken over by it; some of them are other tokens."""
        compressor = self.make()
        given = torch.randn(compressor.context_tokens + 1, WIDTH, generator=torch.Generator().manual_seed(9))
        compressor.set_tokens(given)
        require(gap(compressor.tokens(1)[0], given) == 0.0, "others than those that were set")
        for wrong in (torch.cat([given, given]), torch.cat([given, given], 1)):
            require(
                refusal(compressor.set_tokens, wrong) is not None,
                f"that tokens {list(wrong.shape)} are taken",
            )

    @check("compressor.initialise-seeded", "the start to depend on the context's seed alone")
    def test_initialise_seeded(self) -> None:
        """Runs with other seeds must differ, and one that is repeated must not."""
        made = [self.make_in(seed=seed) for seed in (3, 3, 4)]
        with leaving_random_state():
            for compressor in made:
                compressor.initialise(torch.zeros(WIDTH), 1.0)
        one, again, other = (compressor.tokens(1).detach() for compressor in made)
        require(gap(one, again) == 0.0, "other tokens with the same seed")
        require(gap(one, other) > 1e-6, "the same tokens with another seed")

    @check("compressor.loss", "a finite scalar loss and finite numbers to log, also for unlabelled samples")
    def test_loss(self) -> None:
        """Most images of a real set have no label; a label of -1 must not reach a table of emotions."""
        cases = {"some labelled": self.terms(), "none labelled": self.terms(labels=[None] * BATCH)}
        for case, terms in cases.items():
            require(terms.loss.shape == () and finite(terms.loss), f"{case}: {terms.loss.detach()}")
            wrong = {name: value for name, value in terms.values.items() if not isinstance(value, float)}
            require(not wrong, f"{case}: {wrong}, which are no floats")
            require(finite(torch.tensor([*terms.values.values(), 0.0])), f"{case}: {dict(terms.values)}")

    @check("compressor.no-knowledge", "a loss of zero without knowledge, and a value that says so")
    def test_no_knowledge(self) -> None:
        """The control run without knowledge is the same run with this term gone, and its log must show it."""
        terms = self.terms(texts=None)
        require(float(terms.loss.detach()) == 0.0, f"a loss of {float(terms.loss.detach()):.4g}")
        require(0.0 in terms.values.values(), f"values {dict(terms.values)}")

    @check(
        "compressor.no-text-space",
        "a compressor for a run without a text encoder, with every parameter in use",
    )
    def test_no_text_space(self) -> None:
        """`text_width` is 0 there; a projection nobody trains would be reported as a dead tensor."""
        compressor = self.make_in(text_width=0)
        require(not compressor.knowledge_parameters(), f"{list(compressor.knowledge_parameters())}")
        require(compressor.project(self.states()) is None, "context features in a space that is not there")
        loss = float(self.terms(compressor, texts=None).loss.detach())
        require(loss == 0.0, f"a loss of {loss:.4g}")

    @check(
        "compressor.absent",
        "a finite loss where no sample of the batch has text, and where there is one sample",
    )
    def test_absent(self) -> None:
        """With a little text such batches come up in every run; a mean over nothing is NaN."""
        nobody = self.terms(texts=[None] * BATCH).loss
        single = self.terms(texts=[None, None, TEXTS[2], None, None, None]).loss
        require(finite(nobody), f"a loss of {float(nobody.detach())} where nobody has text")
        require(finite(single), f"a loss of {float(single.detach())} where one sample has text")

    @check("compressor.present", "no influence of a text that is not present", tier="capability")
    def test_present(self) -> None:
        """What stands in a row without text is padding; learning from it is learning noise."""
        self.require_knowledge()
        texts = [None if place in (2, 4) else text for place, text in enumerate(TEXTS)]
        knowledge = self.batch(texts=texts).knowledge
        assert knowledge is not None
        one = self.terms(texts=texts, knowledge=knowledge).loss
        knowledge[[2, 4]] = 1.0
        two = self.terms(texts=texts, knowledge=knowledge).loss
        require(gap(one, two) < 1e-6, f"a loss that differs by {gap(one, two):.3g}")

    @check("compressor.order", "the same loss when the batch is put in another order")
    def test_order(self) -> None:
        """A loss that depends on places compares an image with the text of another."""
        difference = gap(self.terms().loss, self.terms(order=[3, 0, 5, 1, 4, 2]).loss)
        require(difference < 1e-5, f"a difference of {difference:.3g}")

    @check(
        "compressor.reaches-knowledge",
        "a gradient from the loss to the states and every knowledge parameter",
        tier="capability",
    )
    def test_reaches_knowledge(self) -> None:
        """The tokens learn through these states, and a projection that stays random presses in noise."""
        self.require_knowledge()
        joined = self.states().joined().requires_grad_()
        reached = {"the states": joined, **self.subject.knowledge_parameters()}
        missed = unreached(self.terms(states=States.split(joined)).loss, reached)
        require(not missed, f"no gradient in {some(missed)}")

    @check(
        "compressor.connected",
        "a gradient, if only of zeros, to every knowledge parameter in every mix of labels and texts",
        tier="capability",
    )
    def test_connected(self) -> None:
        """Where several processes train, each waits for the gradients of all parameters, and batches come in every mix."""
        parameters = self.subject.knowledge_parameters()
        if not parameters:
            raise NotApplicable("the compressor has no parameters of its own loss")
        nothing, few = [None] * BATCH, [TEXTS[0], None, TEXTS[2], None, None, None]
        mixes: dict[str, dict[str, Any]] = {
            "no text": {"texts": nothing},
            "no label": {"labels": nothing},
            "neither": {"texts": nothing, "labels": nothing},
            "no text of a labelled sample": {"texts": few},
        }
        for mix, given in mixes.items():
            loss = self.terms(**given).loss
            found = (
                torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
                if loss.requires_grad
                else [None] * len(parameters)
            )
            missed = [name for name, one in zip(parameters, found, strict=True) if one is None]
            require(not missed, f"{mix}: no gradient at all in {some(missed)}")

    @check(
        "compressor.teaches",
        "states that follow its gradient to lower the loss for their own text, and more than for another's",
        tier="capability",
    )
    def test_teaches(self) -> None:
        """A gradient of the wrong sign, or towards the text of other images, is a gradient as well."""
        self.require_knowledge()
        joined, swapped = self.states().joined(), [*TEXTS[1:], TEXTS[0]]
        for _ in range(40):
            joined = joined.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.terms(states=States.split(joined)).loss, [joined])
            joined = joined - 0.5 * F.normalize(gradient, dim=-1)
        learnt = States.split(joined.detach())
        own, other = (
            float((self.terms(states=learnt, texts=texts).loss - self.terms(texts=texts).loss).detach())
            for texts in (TEXTS, swapped)
        )
        require(own < min(0.0, other), f"a change of {own:.4g}, and of {other:.4g} for another's text")

    @check(
        "compressor.project", "context features [...,W] for states [B] and for tries [B,G]", tier="capability"
    )
    def test_project(self) -> None:
        """The attribute reward asks of every try whether its context finds its own scene among the texts."""
        if self.subject.project(self.states()) is None:
            raise NotApplicable("the compressor has no projection to the text encoder's space")
        for leading in ((BATCH,), (BATCH, 4)):
            features = self.subject.project(self.states(*leading))
            require(
                tuple(features.shape) == (*leading, TEXT) and finite(features),
                f"shape {list(features.shape)} for states {list(leading)} and W={TEXT}",
            )

    @check("compressor.round-trip", "the same tokens and loss from a new compressor that loads the state")
    def test_round_trip(self) -> None:
        """A saved system is this state; tokens that are not in it start from random again, and statistics of the texts from
        nothing."""
        one, other = self.make_in(seed=8), self.make()
        one.initialise(torch.ones(WIDTH), 0.5)
        one.calibrate(3.0 + 2.0 * torch.stack([features(text, TEXT) for text in TEXTS]))
        other.load_state_dict(one.state_dict())
        tokens = gap(one.tokens(2), other.tokens(2))
        require(tokens == 0.0, f"tokens that differ by {tokens:.3g}")
        loss = gap(self.terms(one).loss, self.terms(other).loss)
        require(loss == 0.0, f"a loss that differs by {loss:.3g}")
