"""The CRF against pytorch-crf where nothing is forbidden, and against all allowed paths, one by one, where something is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchcrf import CRF

from benchmark.nn.crf import ConstrainedCRF, bio_constraints, to_bio
from splits.schema import Entity, from_tags

TYPES = ("PER", "LOC")
RAGGED = [5, 1, 3, 4, 2]


def keep_of(lengths: list[int], n: int | None = None) -> Tensor:
    return torch.arange(n or max(lengths)) < torch.tensor(lengths)[:, None]


def randomised(crf: ConstrainedCRF, dtype: torch.dtype = torch.float64) -> ConstrainedCRF:
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf.to(dtype)


def bio_crf(dtype: torch.dtype = torch.float64) -> ConstrainedCRF:
    _, allowed, starts = bio_constraints(TYPES)
    return randomised(ConstrainedCRF(allowed, starts), dtype)


def bottleneck_crf() -> ConstrainedCRF:
    """Every tag has words at which nothing reaches it: 0 -> 1 -> 2 -> 2 ..., and tag 3 never."""
    allowed = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [1, 1, 1, 1]]).bool()
    return randomised(ConstrainedCRF(allowed, torch.tensor([True, True, False, False]), torch.tensor([True, True, True, False])))


def random_mask_crf() -> ConstrainedCRF:
    while True:
        allowed, starts, ends = torch.rand(5, 5) < 0.5, torch.rand(5) < 0.5, torch.rand(5) < 0.5
        try:
            return randomised(ConstrainedCRF(allowed, starts, ends))
        except ValueError:
            continue


def is_allowed(crf: ConstrainedCRF, path: tuple[int, ...]) -> bool:
    steps = all(bool(crf.allowed[a, b]) for a, b in itertools.pairwise(path))
    return steps and bool(crf.starts[path[0]]) and bool(crf.ends[path[-1]])


def score_of(crf: ConstrainedCRF, emissions: Tensor, path: tuple[int, ...]) -> Tensor:
    words = [emissions[t, tag] for t, tag in enumerate(path)]
    steps = [crf.transitions[a, b] for a, b in itertools.pairwise(path)]
    return torch.stack([crf.start_scores[path[0]], crf.end_scores[path[-1]], *words, *steps]).sum()


def all_paths(crf: ConstrainedCRF, n: int) -> list[tuple[int, ...]]:
    return [path for path in itertools.product(range(len(crf.starts)), repeat=n) if is_allowed(crf, path)]


@pytest.mark.parametrize("seed", range(5))
def test_without_constraints_it_is_pytorch_crf(seed: int) -> None:
    torch.manual_seed(seed)
    size, lengths = 6, [9, 1, 4, 9, 2, 7]
    keep = keep_of(lengths)
    theirs = CRF(size, batch_first=True).double()
    ours = randomised(ConstrainedCRF(torch.ones(size, size).bool(), torch.ones(size).bool()))
    for our, their in ((ours.start_scores, theirs.start_transitions), (ours.end_scores, theirs.end_transitions)):
        their.data.copy_(our.data)
    theirs.transitions.data.copy_(ours.transitions.data)
    tags = torch.randint(size, keep.shape)
    leaf = torch.randn(*keep.shape, size, dtype=torch.float64) * 3
    left, right = leaf.clone().requires_grad_(), leaf.clone().requires_grad_()
    weights = torch.rand(len(lengths), dtype=torch.float64)  # a sum alone would hide rows that are mixed up

    mine, reference = ours.log_likelihood(left, tags, keep), theirs(right, tags, keep, reduction="none")
    (mine * weights).sum().backward()
    (reference * weights).sum().backward()

    exactly = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(mine, reference, **exactly)
    torch.testing.assert_close(left.grad, right.grad, **exactly)
    torch.testing.assert_close(ours.transitions.grad, theirs.transitions.grad, **exactly)
    torch.testing.assert_close(ours.start_scores.grad, theirs.start_transitions.grad, **exactly)
    torch.testing.assert_close(ours.end_scores.grad, theirs.end_transitions.grad, **exactly)
    assert ours.decode(leaf, keep) == theirs.decode(leaf, keep)


@pytest.mark.parametrize("make", [bio_crf, bottleneck_crf, random_mask_crf])
@pytest.mark.parametrize("seed", range(3))
def test_partition_gradient_and_best_path_are_those_of_all_allowed_paths(make: Callable[[], ConstrainedCRF], seed: int) -> None:
    torch.manual_seed(seed)
    crf = make()
    keep = keep_of(RAGGED)
    emissions = torch.randn(*keep.shape, len(crf.starts), dtype=torch.float64, requires_grad=True)
    tags = torch.zeros(keep.shape, dtype=torch.long)
    expected, best = [], []
    for row, n in enumerate(RAGGED):
        paths = all_paths(crf, n)
        gold = paths[int(torch.randint(len(paths), ()))]
        tags[row, :n] = torch.tensor(gold)
        scores = torch.stack([score_of(crf, emissions[row], path) for path in paths])
        expected.append(score_of(crf, emissions[row], gold) - scores.logsumexp(0))
        best.append(list(paths[int(scores.argmax())]))
    inputs = [emissions, *crf.parameters()]

    got = crf.log_likelihood(emissions, tags, keep)

    torch.testing.assert_close(got, torch.stack(expected))
    for mine, theirs in zip(torch.autograd.grad(got.sum(), inputs), torch.autograd.grad(sum(expected), inputs), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert crf.decode(emissions, keep) == best


def test_probabilities_of_all_allowed_paths_sum_to_one_and_of_forbidden_paths_to_zero() -> None:
    torch.manual_seed(0)
    crf = bio_crf()
    paths = torch.tensor(list(itertools.product(range(5), repeat=4)))
    emissions = torch.randn(1, 4, 5, dtype=torch.float64).expand(len(paths), 4, 5)
    probability = crf.log_likelihood(emissions, paths, torch.ones_like(paths).bool()).exp()
    legal = torch.tensor([is_allowed(crf, tuple(path)) for path in paths.tolist()])
    assert float(probability[legal].sum().detach()) == pytest.approx(1)
    assert probability[~legal].eq(0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8, 3e38, math.inf])
def test_forbidden_tags_are_never_decoded(dtype: torch.dtype, scale: float) -> None:
    torch.manual_seed(0)
    tags, allowed, starts = bio_constraints(TYPES)
    crf = randomised(ConstrainedCRF(allowed, starts), torch.float32)
    lengths = [12, 1, 7, 12]
    emissions = torch.rand(4, 12, len(tags)).sub(0.5).sign()
    emissions[0] = torch.tensor([-1.0, -1.0, 1.0, -1.0, -1.0])  # nothing but I-PER
    emissions[1] = torch.tensor([-1.0, -1.0, 1.0, -1.0, 1.0])  # I-PER or I-LOC as the only word
    emissions[3] = -1.0
    for parameter in crf.parameters():
        parameter.data.mul_(scale)
    crf.transitions.data[~allowed] = 1e9
    for row, length in zip(crf.decode((emissions * scale).to(dtype), keep_of(lengths)), lengths, strict=True):
        assert len(row) == length
        assert is_allowed(crf, tuple(row))
        assert from_tags([tags[i] for i in row])[1] == 0


@pytest.mark.parametrize("make", [bio_crf, bottleneck_crf])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8])
def test_gradients_are_finite_and_nothing_is_learnt_about_forbidden_steps(make: Callable[[], ConstrainedCRF], scale: float) -> None:
    torch.manual_seed(0)
    crf = make().float()
    keep = keep_of([*RAGGED, 0])
    emissions = (torch.randn(*keep.shape, len(crf.starts)) * scale).requires_grad_()
    tags = torch.zeros(keep.shape, dtype=torch.long)
    for row, n in enumerate(RAGGED):
        tags[row, :n] = torch.tensor(all_paths(crf, n)[-1])
    tags[0, 0] = 2  # forbidden: log-probability -inf, yet no NaN
    crf.log_likelihood(emissions, tags, keep).sum().backward()
    assert emissions.grad is not None
    assert emissions.grad.isfinite().all()
    for parameter, mask in ((crf.transitions, crf.allowed), (crf.start_scores, crf.starts), (crf.end_scores, crf.ends)):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad[~mask].eq(0).all()


def test_padding_changes_nothing_whatever_it_holds() -> None:
    torch.manual_seed(0)
    crf = bio_crf(torch.float32)
    emissions, tags = torch.randn(5, 5, 5), torch.zeros(5, 5, dtype=torch.long)
    keep = keep_of(RAGGED, 9)
    padded, marked = torch.full((5, 9, 5), math.nan), torch.full((5, 9), -100)
    for row, n in enumerate(RAGGED):
        padded[row, :n], marked[row, :n] = emissions[row, :n], tags[row, :n]
    padded.requires_grad_()
    together = crf.log_likelihood(padded, marked, keep)
    (gradient,) = torch.autograd.grad(together.sum(), padded)
    decoded = crf.decode(padded, keep)
    for row, n in enumerate(RAGGED):
        alone = emissions[row : row + 1, :n].clone().requires_grad_()
        whole = torch.ones(1, n).bool()
        likelihood = crf.log_likelihood(alone, tags[row : row + 1, :n], whole)
        torch.testing.assert_close(together[row : row + 1], likelihood)
        torch.testing.assert_close(gradient[row, :n], torch.autograd.grad(likelihood.sum(), alone)[0][0])
        assert gradient[row, n:].eq(0).all()
        assert [decoded[row]] == crf.decode(alone, whole)


@pytest.mark.parametrize("n", [0, 3])
def test_a_sentence_without_words_is_certain_and_has_no_tags(n: int) -> None:
    crf = bio_crf(torch.float32)
    emissions = torch.full((2, n, 5), math.nan, requires_grad=True)
    nothing = torch.zeros(2, n).bool()
    likelihood = crf.log_likelihood(emissions, torch.zeros(2, n).long(), nothing)
    likelihood.sum().backward()
    assert likelihood.tolist() == [0, 0]
    assert crf.decode(emissions, nothing) == [[], []]
    assert emissions.grad is not None
    assert emissions.grad.eq(0).all()


def test_bfloat16_is_summed_in_float32() -> None:
    torch.manual_seed(0)
    crf = bio_crf(torch.float32)
    emissions, tags, keep = torch.randn(2, 40, 5).bfloat16(), torch.zeros(2, 40).long(), keep_of([40, 31])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = crf.log_likelihood(emissions, tags, keep)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, crf.log_likelihood(emissions.double(), tags, keep).float())


def test_constraints_stay_out_of_the_state_dict() -> None:
    assert set(bio_crf().state_dict()) == {"start_scores", "end_scores", "transitions"}


def test_bio_allows_an_inside_tag_only_after_its_own_entity() -> None:
    tags, allowed, starts = bio_constraints(TYPES)
    assert tags == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    for j, tag in enumerate(tags):
        before = {tags[i] for i in range(len(tags)) if allowed[i, j]}
        assert before == ({f"B-{tag[2:]}", tag} if tag[0] == "I" else set(tags))
        assert bool(starts[j]) == (tag[0] != "I")


@st.composite
def flat_entities(draw: st.DrawFn) -> tuple[int, list[Entity]]:
    cuts = draw(st.lists(st.integers(0, 12), unique=True, max_size=8).map(sorted))
    spans = [span for span in itertools.pairwise(cuts) if draw(st.booleans())]
    entities = [Entity(start, end, draw(st.sampled_from(TYPES))) for start, end in spans]
    return max([1, *cuts]), draw(st.permutations(entities))


@given(flat_entities())
def test_entities_survive_the_way_to_tags_and_back(case: tuple[int, list[Entity]]) -> None:
    n, entities = case
    names, allowed, starts = bio_constraints(TYPES)
    tags = to_bio([*entities, *entities], n, TYPES)  # one that stands twice counts once
    assert len(tags) == n
    assert is_allowed(ConstrainedCRF(allowed, starts), tuple(tags))
    assert from_tags([names[i] for i in tags]) == (sorted(e.span for e in entities), 0)


@pytest.mark.parametrize(
    ("entities", "says"),
    [
        ([Entity(0, 2, "PER"), Entity(1, 3, "LOC")], "overlaps"),
        ([Entity(0, 2, "PER"), Entity(0, 2, "LOC")], "overlaps"),
        ([Entity(2, 4, "PER")], "does not lie"),
        ([Entity(0, 1, "ORG")], "'ORG'"),
    ],
)
def test_entities_that_tags_cannot_say_are_refused(entities: list[Entity], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        to_bio(entities, 3, TYPES)


def test_constraints_that_leave_a_length_without_tags_are_refused() -> None:
    _, allowed, starts = bio_constraints(TYPES)
    with pytest.raises(ValueError, match="a sentence of 1 words"):
        ConstrainedCRF(allowed, starts, ~starts)
    with pytest.raises(ValueError, match="a sentence of 2 words"):
        ConstrainedCRF(torch.zeros(2, 2).bool(), torch.ones(2).bool())


def test_a_word_after_padding_is_refused() -> None:
    crf = bio_crf(torch.float32)
    with pytest.raises(ValueError, match="pad on the right"):
        crf.decode(torch.zeros(1, 3, 5), torch.tensor([[False, True, True]]))


def test_nan_is_refused_instead_of_decoded() -> None:
    crf = bio_crf(torch.float32)
    with pytest.raises(ValueError, match="NaN"):
        crf.decode(torch.full((1, 3, 5), math.nan), torch.ones(1, 3).bool())
