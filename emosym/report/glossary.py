"""The words of emosym in one or two plain sentences each, for every page that shows them: reports, studies, documentation.

``python -m emosym.report.glossary > docs/reference/glossary.md`` writes the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

GLOSSARY: Mapping[str, Mapping[str, str]] = {
    "Emotions": {
        "evoked emotion": "What a picture makes people feel, which is not what a face in it shows. It is what emosym reads and "
        "paints.",
        "Mikels' wheel": "Eight emotions that pictures evoke, in a circle on which neighbours are alike: amusement, excitement, "
        "awe and contentment, which are pleasant, then sadness, disgust, fear and anger, which are not.",
        "valence": "How pleasant a feeling is, from unpleasant to pleasant. A positive emotion is one of the pleasant half.",
        "label": "The emotion that people gave a picture. Where several people disagree, their votes are a distribution and the "
        "label is its largest share.",
        "Bayes optimum": "The accuracy of the best reader that there can be. Below 100 % where the same picture moves different "
        "people differently; known for worlds that were made by a rule, such as that of the demo.",
    },
    "The system": {
        "system": "Everything that is trained and saved together: backbone, reasoning tokens, head and, where it paints, fusion, "
        "emotion space and diffusion head.",
        "backbone": "The multimodal language model that looks at the picture.",
        "reasoning token": "A learnt vector at the end of the backbone's prompt that holds what a text of reasons would say. It "
        "is never written out as words.",
        "[CTX]": "The reasoning tokens of context: what the picture shows and what is to be said of it.",
        "[EMO]": "The last reasoning token: which emotion the picture evokes.",
        "state": "What the backbone makes of a reasoning token for one picture: a vector.",
        "head": "The small layer that turns states into a probability of each emotion.",
        "reading": "What the system says of a picture: a probability of each emotion. The most probable one is the answer.",
        "knowledge": "Texts about training pictures that say why they move people. The states learn to be near them; they are not "
        "needed to read a new picture.",
        "emotion space": "The statistics of the states of each emotion. A picture of an emotion begins with a state drawn from "
        "them.",
        "fusion": "What makes vectors for the diffusion model's prompt of the states.",
        "diffusion head": "The model that paints: it turns noise into a picture, step by step, under a prompt in which the "
        "fused vectors stand for a word.",
    },
    "Training": {
        "stage": "One of the three parts of training: compress, reinforce, unify.",
        "compress": "The first stage: reasoning tokens learn to hold the knowledge, and the head learns the labels.",
        "reinforce": "The second stage: readings are paid for what can be checked.",
        "unify": "The third stage: reading and painting are trained together, and the memory bank feeds the best painted "
        "pictures back.",
        "cross entropy": "The surprise at the labels, in nats: 0 for a reader that is sure and right, ln C for one that knows "
        "nothing of C emotions.",
        "reward": "A number from 0 to 1, or as declared, that an answer gets for what can be checked of it. A run's rewards are "
        "added with their weights.",
        "rollout": "One try at a picture: noise on the context tokens, a reading, an emotion drawn from it.",
        "advantage": "How much better a try was paid than the same picture's other tries, in their standard deviations. What is above 0 "
        "becomes more probable.",
        "KL": "The Kullback–Leibler divergence: how far the readings have moved from another distribution, in nats. In the stage "
        "reinforce, from the readings before it.",
        "entropy": "How undecided a reading is, in nats: 0 where everything is on one emotion.",
        "gradient norm": "The length of the step that the loss asks for. One that grows without end is a training that breaks.",
        "learning rate": "How far a step goes.",
        "reachability": "Whether the loss of a stage moves a tensor at all: the largest gradient that it had in the stage's "
        "first steps. A tensor with 0 would be trained in name only, and stops the run.",
        "epoch": "As many steps as it takes to see every training picture once.",
    },
    "The memory bank": {
        "memory bank": "Painted pictures that have been let into the training set, at most a share of it. Originals are masked "
        "for them, never deleted.",
        "refresh": "A moment of the stage unify at which pictures are painted and offered to the bank.",
        "ledger": "The bank's history: a line for every picture that was admitted, refused or gave way, with the reason. No line "
        "is ever changed.",
        "score": "The probability of the wanted emotion in a painted picture. Where judge and system both give one, a picture of the "
        "bank has the lowest of its scores.",
    },
    "Figures of reading": {
        "accuracy": "The share of held-out pictures whose most probable emotion is the annotated one.",
        "macro-F1": "The mean over emotions of F1, which is high where an emotion is both found and not named wrongly. Rare "
        "emotions count as much as frequent ones.",
        "precision": "Of the pictures that were read as an emotion, the share that are annotated with it.",
        "recall": "Of the pictures annotated with an emotion, the share that were read as it.",
        "confusion": "Which emotions are taken for which: a row for each annotated one, a column for each reading.",
        "ECE": "Expected calibration error: how far the probability of the answers is from how often they are right, on average. 0 is "
        "best; 0.05 means that a reader who says 80 % is right about 75 or 85 % of the time.",
        "reliability diagram": "Answers sorted by their probability, with how often they were right. On the diagonal the system is "
        "as sure as it should be; below it, too sure.",
        "token effect": "How far accuracy falls with noise in place of the tokens [CTX]; [EMO] stays. Near 0 they do not matter, and "
        "adapters and head do the work.",
    },
    "Figures of pictures": {
        "judge": "A classifier of emotions that is independent of the system. One that scores pictures for the bank is never the "
        "one that measures them.",
        "Emo-A": "Emotion accuracy: the share of painted pictures that the judge reads as the wanted emotion. To be read beside "
        "that of real pictures, since judges err.",
        "diversity": "How far apart the painted pictures of one emotion are, in the judge's features. To be read beside that of "
        "real pictures: far less is a model that repeats itself, far more may be noise.",
        "FID": "Fréchet inception distance between painted and real pictures, by mean and covariance of a network's features. "
        "Lower is nearer; it needs thousands of pictures and compares only at equal numbers.",
        "KID": "Kernel inception distance: as FID, without its bias at small numbers of pictures.",
        "LPIPS": "Learned perceptual distance of two pictures; here, of pairs of one emotion, so that more is more varied.",
        "Sem-C": "Semantic clarity: how sure a classifier of scenes or of objects is of what a picture shows.",
        "Sem-D": "Semantic diversity: how different what two pictures of one emotion show is, in CLIP features.",
        "CLIP score": "How well a picture fits a text, by the angle of their CLIP features.",
        "guidance scale": "How strictly painting follows its prompt. More is clearer and less varied.",
    },
    "How sure it is": {
        "held-out": "Not trained on.",
        "split": "A part of the data: train to learn from, val to decide by, test to measure once.",
        "95 % interval": "Where the true value is, in 95 of 100 such measurements. In the report of one run it says what other "
        "pictures would change, and not what another seed would.",
        "seed": "The number that all of a run's chance comes from. Another seed is another run of the same experiment.",
        "smoke run": "A run of two steps a stage that only shows that a spec runs; its figures mean nothing.",
    },
    "Studies": {
        "row": "One variant of the system with each seed; rows that differ in their evaluation alone share their weights.",
        "95 % interval of a study": "Where the true mean is, in 95 of 100 such studies. Seeds and images both count as drawn: the "
        "variance is that of two crossed random effects, and the t quantile's degrees of freedom are the harmonic mean of both "
        "parts', weighted by their shares. A share of right answers has Wilson's interval, of as many independent images as "
        "would vary like that.",
        "over seeds alone": "The figure is one number a run (macro-F1, diversity), so only its spread over seeds is known: "
        "Student's t.",
        "over images alone": "With fewer than three seeds nobody knows how much another seed would change: such an interval says "
        "how other images would, and is too narrow for a claim about the method.",
        "difference": "The second row minus the first, taken image by image and seed by seed before anything is averaged. Shares "
        "differ by points: from 80 % to 81 % is +1 point.",
        "effect": "The difference in standard deviations of the value of a single image with one seed: 0.2 is small, 0.8 large. A "
        "figure that is one number a run has none.",
        "p (Holm)": "How often a study of rows that do not differ would show at least this much, corrected by Holm's method over "
        "every test of the table: below 0.05, at most one study in twenty names any difference that is not there.",
        "equivalent": "Two one-sided tests at 5 %, corrected over all margins, say that the difference is within the margin that "
        "the study gave beforehand, which is to say that its 90 % interval is. No difference shown is not the same as equivalent.",
        "on its own, not after correction": "Alone, p is below 0.05 and the interval excludes no difference; among so many tests "
        "one such is expected by chance. Name fewer comparisons beforehand, or add seeds.",
        "smallest visible": "The true difference that four of five studies with this many seeds and images would show, at 5 % and "
        "without correction. What is smaller may well be there.",
    },
    "The house": {
        "spec": "The YAML file that describes an experiment: components, data, stages, metrics.",
        "component": "One interchangeable implementation of a kind, such as the backbone `qwen-vl`.",
        "plugin": "An installed package that offers components.",
        "run": "An experiment that was run: a folder with the system, its figures and all that led to them.",
    },
}
"""Sections of words with their meanings."""
STUDIES = "Studies"
"""The section that only pages of a study show."""


def words(*, studies: bool) -> list[tuple[str, str]]:
    """Words and meanings in alphabetical order: those of ``studies`` in theirs, or all that any run uses."""
    if studies:
        return list(GLOSSARY[STUDIES].items())
    found = [pair for title, section in GLOSSARY.items() if title != STUDIES for pair in section.items()]
    return sorted(found, key=lambda pair: pair[0].strip("[]").lower())


def anchor(word: str) -> str:
    """Where a page has the meaning of a word."""
    return "word-" + re.sub(r"\W+", "-", word.lower()).strip("-")


def linked(text: str) -> str:
    """HTML of a text, a link to its meaning where all of it, but for an arrow, is a word of :func:`words` without studies."""
    known = {word.lower(): word for word, _ in words(studies=False)}
    word = known.get(text.strip(" ↑↓").lower())
    return escape(text) if word is None else f'<a href="#{anchor(word)}">{escape(text)}</a>'


def markdown() -> str:
    """The page of the documentation."""
    parts = ["# Glossary", "The words of specs, reports and messages, one or two sentences each."]
    for title, section in GLOSSARY.items():
        parts += [f"## {title}", "\n".join(f"- **{word}**: {meaning}" for word, meaning in section.items())]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
