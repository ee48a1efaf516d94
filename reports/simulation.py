"""Made-up runs of two methods, with known expectations: what intervals and tests are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GOLD = (0.35, 0.30, 0.20, 0.15)  # how many sentences hold 0, 1, 2, 3 entities
NODES = 80  # of a Gauss-Hermite quadrature


@dataclass(frozen=True, slots=True)
class World:
    """How runs come about. An entity is found with probability sigmoid(ability + effects); effects are normal, in logits.

    Attributes:
        sentences: of the test split.
        ability: of the two methods.
        spurious: wrong predictions a sentence, on average.
        draw: standard deviation of what a draw does to both methods alike.
        own_draw: the same, to each method by itself.
        seed: of what a seed does within a draw.
        sentence: of how hard a sentence is for both methods alike.
        own_sentence: the same, for each method by itself: what makes their difference depend on the test split.
        both: of a sentence in a draw, beyond the chance of each single entity.
    """

    name: str
    sentences: int
    ability: tuple[float, float] = (0.7, 0.9)
    spurious: float = 0.25
    draw: float = 0.1
    own_draw: float = 0.05
    seed: float = 0.05
    sentence: float = 1.0
    own_sentence: float = 0.5
    both: float = 0.5

    def runs(self, random: np.random.Generator, draws: int, seeds: int) -> Ints:
        """A test split and all runs on it: [method, draws, seeds, sentences, 3], tp, pred and gold."""
        n = self.sentences
        gold = random.choice(len(GOLD), n, p=GOLD)
        ability = np.array(self.ability)[:, None, None] + random.normal(0, self.draw, (1, draws, 1))
        ability = ability + random.normal(0, self.own_draw, (2, draws, 1)) + random.normal(0, self.seed, (2, draws, seeds))
        ease = random.normal(0, self.sentence, n) + random.normal(0, self.own_sentence, (2, 1, 1, n))
        logits = ability[..., None] + ease + random.normal(0, self.both, (2, draws, 1, n))
        tp = random.binomial(np.broadcast_to(gold, logits.shape), sigmoid(logits))
        # A hard sentence tempts as well: the rate falls with its ease, and has the mean `spurious`.
        tempting = np.exp(-0.5 * ease - (self.sentence**2 + self.own_sentence**2) / 8)
        wrong = random.poisson(np.broadcast_to(self.spurious * tempting, tp.shape))
        return np.stack([tp, tp + wrong, np.broadcast_to(gold, tp.shape)], axis=-1)

    def expected_f1(self) -> Floats:
        """[method]: mean over draws and seeds of F1 on endlessly many sentences, by quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()
        of_draw = float(np.sqrt(self.draw**2 + self.own_draw**2 + self.seed**2))
        of_sentence = float(np.sqrt(self.sentence**2 + self.own_sentence**2 + self.both**2))
        ability = np.array(self.ability)[:, None] + of_draw * nodes  # [method, node]
        recall = (sigmoid(ability[..., None] + of_sentence * nodes) * weights).sum(axis=-1)
        gold = float(np.arange(len(GOLD)) @ np.array(GOLD))
        f1 = 2 * recall * gold / (recall * gold + self.spurious + gold)
        return np.asarray((f1 * weights).sum(axis=-1), dtype=np.float64)


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), dtype=np.float64)
