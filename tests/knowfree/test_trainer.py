"""The released trainer's signature: scripts as the paper's users write them, held against the suite's own method."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from transformers import BertModel

from benchmark.facade import few, report
from benchmark.method import Budget, EncoderSpec, Predicted
from benchmark.method import build as build_method
from benchmark.nn.facade import check_tokenizer, with_tokenizer
from benchmark.nn.scratch import scratch_encoder
from knowfree.checkpoint import save_official
from knowfree.method import PlainKnowFREE
from knowfree.trainer import Trainer
from splits import corpora
from splits.errors import ConfigError, CorpusError
from splits.labels import Inventory, Label, write_labels
from splits.present import Present, write_present
from splits.schema import Entity, Sentence, read_jsonl, write_jsonl
from tests.neural import F1, TARGETS, fit_input, sentence, toy, word_piece

TRAIN = """
from knowfree.trainer import Trainer
from transformers import BertTokenizer, BertConfig

MODEL_PATH = "encoder"
tokenizer = BertTokenizer.from_pretrained(MODEL_PATH)
config = BertConfig.from_pretrained(MODEL_PATH)
trainer = Trainer(tokenizer=tokenizer, config=config, from_pretrained=MODEL_PATH,
                  data_name='demo_zh',
                  batch_size=4,
                  batch_size_eval=8,
                  cnn_dim=40, biaffine_size=40, warmup_steps=4,
                  task_name='demo_zh_knowfree')

seen = []
for i in trainer(num_epochs=10, pretrained_lr=2e-3, other_lr=1e-2, weight_decay=0.01,
                 remove_clashed=True, nested=False, eval_call_step=lambda x: x % 16 == 0):
    a = i
    seen.append(i)

final = trainer.eval(0, is_eval=True)
"""

PREDICT = """
from knowfree.predictor import KnowFREEPredictor
from transformers import BertTokenizer, BertConfig

MODEL_PATH = "save_model/demo_zh_knowfree/knowfree_best"
LABEL_FILE = 'datasets/demo_zh/labels.txt'
tokenizer = BertTokenizer.from_pretrained(MODEL_PATH)
config = BertConfig.from_pretrained(MODEL_PATH)
pred = KnowFREEPredictor(tokenizer=tokenizer, config=config, from_pretrained=MODEL_PATH, label_file=LABEL_FILE, batch_size=4)

items = []
for entities in pred(TEXTS):
    items.append(entities)
"""


def script(directory: Path, text: str, **names: Any) -> dict[str, Any]:
    """Run a user's file in the working directory; what it holds at its end."""
    path = directory / "script.py"
    path.write_text(text, encoding="utf-8")
    return runpy.run_path(str(path), names)


def bert(directory: Path, words: list[str]) -> Path:
    """A BERT as the hub keeps the old ones: weights, config.json and vocab.txt."""
    model, tokenizer = scratch_encoder(EncoderSpec("scratch", layers=1, hidden=16, heads=2), words)
    theirs = BertModel(model.config.full(), add_pooling_layer=False)
    theirs.load_state_dict(model.state_dict())
    theirs.save_pretrained(directory)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    (directory / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in pieces), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return directory


def datasets(directory: Path, name: str = "demo_zh") -> Path:
    """What a user of the released code has: an encoder, and a corpus in present.json."""
    corpus = corpora.read(name, {})
    folder = directory / "datasets" / name
    for split, count in {"train": 30, "dev": 14, "test": 10}.items():
        write_jsonl(folder / f"{split}.jsonl", corpus.splits[split][:count])
    write_labels(folder / "labels.txt", corpus.labels)
    files = {split: folder / f"{split}.jsonl" for split in ("train", "dev", "test")}
    info = corpora.info(name)
    write_present(
        directory / "datasets/present.json",
        {name: Present(**files, labels=folder / "labels.txt", language=info.language, nested=info.nested)},
    )
    bert(directory / "encoder", [w for s in corpus.splits["train"] for w in s.text])
    return directory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(datasets(tmp_path))
    return tmp_path


def test_the_papers_scripts_train_and_predict_with_their_imports_changed(home: Path):
    ran = script(home, TRAIN)
    dev = read_jsonl("datasets/demo_zh/dev.jsonl")
    evaluated, epoch = "current_best", "not_saving"  # 30 sentences in batches of 4: 8 steps an epoch
    assert [(i[0], i[4]) for i in ran["seen"]] == [(e, id) for e in range(10) for id in ([evaluated, epoch] if e % 2 else [epoch])]
    _, train_record, eval_record, model_record, _ = ran["a"]
    assert train_record["epoch"] == list(range(1, 11))
    assert train_record["train_loss"][-1] < train_record["train_loss"][0]
    assert (eval_record["epoch"], eval_record["step"]) == ([2, 4, 6, 8, 10], [16, 32, 48, 64, 80])
    assert eval_record["supports"] == [sum(len(s.spans) for s in dev)] * 5
    better = sum(f1 > max([-1.0, *eval_record["f1"][:k]]) for k, f1 in enumerate(eval_record["f1"]))
    assert model_record == {"model_uid": ["best"] * better}
    labels = Path("datasets/demo_zh/labels.txt").read_text().split()[1:]
    figures = {"f1", "precision", "recall", "supports"}
    assert set(ran["final"]) == figures | {f"{label}_{figure}" for label in labels for figure in figures}

    sentences = read_jsonl("datasets/demo_zh/train.jsonl")
    texts = ["".join(s.text) for s in sentences[:20]] + [list(s.text) for s in sentences[20:]]
    items = script(home, PREDICT, TEXTS=texts)["items"]
    assert [len(batch) for batch in items] == [4] * 7 + [2]
    found = [row for batch in items for row in batch]
    tagger = PlainKnowFREE.load(Path("save_model/demo_zh_knowfree/knowfree_best"))
    expected = [[(p.start, p.end, p.label) for p in row] for row in tagger.predict(sentences)]
    assert [[(e["start"], e["end"], e["entity"]) for e in row] for row in found] == expected
    assert sum(map(len, found)) > 3
    for row, s in zip(found, sentences, strict=True):
        assert all(e["text"] == list(s.text[e["start"] : e["end"]]) and set(e) == {"start", "end", "entity", "text"} for e in row)


SMALL = {"cnn_dim": 20, "biaffine_size": 20, "warmup_steps": 3}


def files(directory: Path, labels: Inventory = TARGETS, **splits: list[Sentence]) -> dict[str, Path]:
    """Files of a corpus as the trainer's arguments, with an encoder."""
    given = {"train": toy(9, seed=1), "eval": toy(6, seed=2), "test": toy(5, seed=3)} | splits
    found = {"label_file": directory / "labels.json", "from_pretrained": directory / "encoder"}
    for split, sentences in given.items():
        found[f"{split}_file"] = directory / f"{split}.jsonl"
        write_jsonl(found[f"{split}_file"], sentences)
    write_labels(found["label_file"], labels)
    bert(found["from_pretrained"], [w for s in given["train"] for w in s.text])
    return found


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_trains_as_the_suite_does_step_for_step(room: Path):
    given = files(room, train=toy(24, seed=1), eval=toy(12, seed=2))
    trainer = Trainer(**given, **SMALL, batch_size=4, seed=7)
    sample, dev = (read_jsonl(given[name]) for name in ("train_file", "eval_file"))
    call = {"num_epochs": 8, "pretrained_lr": 5e-3, "other_lr": 3e-2, "remove_clashed": True}
    torch.manual_seed(123)  # what happens between must not matter
    *_, (_, train_record, eval_record, _, _) = trainer(**call, eval_call_step=lambda step: step % 6 == 0)
    monitor = F1(dev)
    method = build_method("knowfree", {"size": 20, "warmup": 3, "encoder_lr": 5e-3, "head_lr": 3e-2})
    fitted = method.fit(
        fit_input(
            sample, seed=7, monitor=monitor, encoder=EncoderSpec(str(given["from_pretrained"])), budget=Budget(epochs=8, batch_size=4)
        )
    )
    assert eval_record["f1"] == [call["f1"] for call in monitor.calls]
    assert max(eval_record["f1"]) > 0.5
    assert train_record["train_loss"] == [call["loss"] for call in monitor.calls]
    parameters = dict(trainer.model.named_parameters())
    assert all(torch.equal(parameters[name], value) for name, value in fitted.last.state.items())
    kept = PlainKnowFREE.load(Path("save_model/knowfree/knowfree_best"))
    assert all(torch.equal(dict(kept.model.named_parameters())[name], value) for name, value in fitted.best.state.items())
    assert PlainKnowFREE(**{k: v for k, v in kept.settings.items() if k != "clashes"}) == method


def test_checkpoints_are_picked_on_dev_unless_test_is_asked_for(room: Path):
    given = files(room, train=toy(24, seed=1), eval=toy(12, seed=2))
    assert Trainer(**given, **SMALL).eval()["supports"] == sum(len(s.spans) for s in read_jsonl(given["eval_file"]))
    official = Trainer(**given, **SMALL, eval_mode="test")
    assert official.eval()["supports"] == sum(len(s.spans) for s in read_jsonl(given["test_file"]))
    with pytest.raises(ConfigError, match="eval_mode is 'tset'"):
        Trainer(**given, eval_mode="tset")
    with pytest.raises(ConfigError, match="no dev file"):
        Trainer(**given | {"eval_file": None})
    Trainer(**given | {"test_file": None}, **SMALL)


def test_a_kept_checkpoint_is_evaluated_alone_and_trained_on(room: Path):
    given = files(room, train=toy(24, seed=1), eval=toy(12, seed=2))
    trainer = Trainer(**given, **SMALL, batch_size=4)
    call = {"num_epochs": 8, "pretrained_lr": 5e-3, "other_lr": 3e-2, "remove_clashed": True}
    *_, (_, _, eval_record, _, _) = trainer(**call, eval_call_step=lambda step: step % 6 == 0)
    best = max(eval_record["f1"])
    assert best > 0
    again = Trainer(**given | {"from_pretrained": "save_model/knowfree/knowfree_best"}, **SMALL)
    assert again.eval(0, is_eval=True, remove_clashed=True)["f1"] == best
    save_official("released", PlainKnowFREE.load(Path("save_model/knowfree/knowfree_best")))
    released = Trainer(**given | {"from_pretrained": "released"}, **SMALL)
    assert released.eval(0, is_eval=True, remove_clashed=True)["f1"] == best
    before = released.model.out.weight.detach().clone()
    list(released(num_epochs=1, eval_call_step=lambda step: step == 1))
    assert not torch.equal(before, released.model.out.weight)
    for where in ("save_model/knowfree/knowfree_best", "released"):
        with pytest.raises(ConfigError, match="its size is 20, 200 is asked for"):
            Trainer(**given | {"from_pretrained": where})
    write_labels(given["label_file"], Inventory.of_targets(["LOC", "PER"]))
    for where in ("save_model/knowfree/knowfree_best", "released"):
        with pytest.raises(ConfigError, match="its labels are PER, LOC; the labels file says LOC, PER"):
            Trainer(**given | {"from_pretrained": where}, **SMALL)


def test_extension_labels_are_learnt_and_neither_predicted_nor_scored(room: Path):
    def extended(s: Sentence) -> Sentence:
        return replace(s, entities=(*s.entities, *(Entity(i, i + 1, "NOUN") for i in range(len(s.text)))))

    labels = Inventory((Label("PER"), Label("LOC"), Label("NOUN", False, 3)))
    given = files(room, labels, train=[extended(s) for s in toy(9, seed=1)], eval=[extended(s) for s in toy(6, seed=2)])
    trainer = Trainer(**given, **SMALL, batch_size=4)
    for _ in trainer(num_epochs=20, pretrained_lr=2e-3, other_lr=2e-2, remove_clashed=True, eval_call_step=lambda s: s % 30 == 0):
        pass
    found = trainer.eval(remove_clashed=True)
    assert found["supports"] == sum(len(s.spans) for s in toy(6, seed=2))
    assert {name.partition("_")[0] for name in found if "_" in name} == {"PER", "LOC"}
    model = trainer.model.eval()
    windows = model.encoder.windows([s.text for s in toy(9, seed=1)])
    with torch.no_grad():
        noun = model(model.encoder.batch(windows))[..., 2].sigmoid()
    assert noun.max() > 0.5
    assert {p.label for row in model.read(model.encoder.batch(windows)) for p in row} <= {"PER", "LOC"}


def test_125_steps_pass_between_evaluations_and_a_run_without_one_says_so(room: Path):
    trainer = Trainer(**files(room, train=[sentence("Bob", (0, 1, "PER"), id=str(i)) for i in range(126)]), **SMALL, batch_size=1)
    seen = [(i[0], i[2].get("step"), i[4]) for i in trainer(num_epochs=1)]
    assert seen == [(0, [125], "current_best"), (0, [125], "not_saving")]
    with pytest.warns(UserWarning, match="no step of 126 was evaluated"):
        assert [i[4] for i in trainer(num_epochs=1, eval_call_step=lambda step: step > 126)] == ["not_saving"]


def test_steps_are_numbered_from_one(room: Path):
    asked: list[int] = []
    trainer = Trainer(**files(room), **SMALL, batch_size=4)
    list(trainer(num_epochs=2, eval_call_step=lambda step: asked.append(step) or step == 6))
    assert asked == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("remove_clashed", "nested", "clashes"), [(False, False, "keep"), (False, True, "keep"), (True, False, "flat"), (True, True, "nested")]
)
def test_how_overlaps_are_settled_is_kept_with_the_checkpoint(remove_clashed, nested, clashes, room: Path):
    trainer = Trainer(**files(room), **SMALL, batch_size=9)
    list(trainer(num_epochs=1, remove_clashed=remove_clashed, nested=nested, eval_call_step=lambda step: True))
    assert trainer.model.clashes == clashes
    assert PlainKnowFREE.load(Path("save_model/knowfree/knowfree_best")).model.clashes == clashes


def test_sizes_reach_the_model_and_those_that_it_cannot_have_are_named(room: Path):
    given = files(room)
    model = Trainer(**given, n_head=2, cnn_dim=40, biaffine_size=40, kernel_size=1).model
    assert (model.grid.heads, model.out.in_features, model.fuse.attention.radius) == (2, 40, 1)
    one = Trainer(**given, **SMALL | {"n_head": 0}).model.grid.biaffine
    assert one.shape == (1, 20, 20, 20)
    assert float(one.detach().std()) == pytest.approx((2 / (400 + 400)) ** 0.5, rel=0.05)  # xavier, of a tensor of three dimensions
    with pytest.raises(ConfigError, match=r"biaffine_size is 100, only 200 can be had; size_embed_dim is 0, only 25.*logit_drop is 0.2"):
        Trainer(**given, biaffine_size=100, size_embed_dim=0, logit_drop=0.2)
    with pytest.raises(ConfigError, match="cnn_depth is 0"):
        Trainer(**given, cnn_depth=0)
    with pytest.raises(ConfigError, match="method 'knowfree' has no parameter 'warm_up'"):
        Trainer(**given, warm_up=3)
    with pytest.raises(ConfigError, match="from_pretrained is not given"):
        Trainer(**given | {"from_pretrained": None})


def test_the_suites_options_can_be_given(room: Path):
    given = files(room)
    official = Trainer(**given, **SMALL, paper_quirks=("padding_keys", "padding_negatives"), output_bias="zero")
    assert (official.model.fuse.mask_keys, official.model.padding_negatives) == (False, True)
    assert not official.model.out.bias.any()
    assert Trainer(**given, **SMALL).model.out.bias.max() < -1


def test_an_unknown_corpus_or_label_is_named(home: Path):
    with pytest.raises(ConfigError, match="no corpus 'weibo', it has: demo_zh"):
        Trainer(from_pretrained="encoder", data_name="weibo")
    Path("datasets/demo_zh/labels.txt").write_text("O\nPER\n")
    with pytest.raises(CorpusError, match=r"train.jsonl:\d+: entity \d+:\d+ has label"):
        Trainer(from_pretrained="encoder", data_name="demo_zh")


def test_k_shot_takes_k_mentions_of_each_target_and_synthetic_sentences_in_proportion():
    real = toy(60, seed=4)
    noun = [replace(s, entities=(*s.entities, Entity(0, 1, "NOUN"))) for s in real]
    made = [replace(s, extra={"synthetic": True}) for s in toy(200, seed=5)]
    labels = Inventory((Label("PER"), Label("LOC"), Label("NOUN", False, 60), Label("VERB", False, 1)))
    draws = [few([*noun, *made], "c", 3, labels, draw) for draw in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    for taken in draws:
        kept = [s for s in taken if not s.extra]
        counts = Counter(label for s in kept for _, _, label in s.spans)
        assert min(counts["PER"], counts["LOC"]) >= 3
        for s in kept:  # none can be spared
            without = counts - Counter(label for _, _, label in s.spans)
            assert min(without["PER"], without["LOC"]) < 3
        assert len(taken) - len(kept) == 3 * len(kept)
    with pytest.raises(ConfigError, match="k_shot is 0"):
        few(real, "c", 0, labels, 0)


def test_k_shot_of_a_trainer(room: Path):
    trainer = Trainer(**files(room, train=toy(60, seed=4)), **SMALL, k_shot=2)
    assert trainer.data.train == few(toy(60, seed=4), "default", 2, TARGETS, 0)
    assert 0 < len(trainer.data.train) < 10


def test_the_report_agrees_with_seqeval():
    gold = toy(40, seed=6)
    rows = [[Predicted(*span) for span in s.spans] for s in toy(40, seed=7)]  # of other sentences: right by chance
    rows = [[p for p in row if p.end <= len(s.text)] for row, s in zip(rows, gold, strict=True)]

    def tags(n: int, spans: set[tuple[int, int, str]]) -> list[str]:
        found = ["O"] * n
        for start, end, label in spans:
            found[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
        return found

    a = [tags(len(s.text), s.spans) for s in gold]
    b = [tags(len(s.text), {(p.start, p.end, p.label) for p in row}) for row, s in zip(rows, gold, strict=True)]
    expected = classification_report(a, b, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    found = report(gold, rows, TARGETS)
    for prefix, name in (("", "micro avg"), ("PER_", "PER"), ("LOC_", "LOC")):
        for ours, theirs in (("f1", "f1-score"), ("precision", "precision"), ("recall", "recall"), ("supports", "support")):
            assert found[prefix + ours] == pytest.approx(expected[name][theirs])
    assert 0 < found["f1"] < 1


def test_a_slow_tokenizer_is_replaced_by_its_fast_twin(room: Path):
    class Slow:
        is_fast = False
        name_or_path = str(bert(room / "encoder", ["ab", "c"]))

    model = scratch_encoder(EncoderSpec("scratch", layers=1, hidden=16, heads=2), ["ab", "c"])[0]
    assert with_tokenizer(model, Slow(), EncoderSpec("x")).tokenizer.tokenize("abc") == ["a", "##b", "##c"]
    Slow.name_or_path = str(room)
    with pytest.raises(ConfigError, match="a slow one"):
        with_tokenizer(model, Slow(), EncoderSpec("x"))


def test_a_tokenizer_that_is_not_the_models_own_is_refused(room: Path):
    model, tokenizer = scratch_encoder(EncoderSpec("scratch", layers=1, hidden=16, heads=2), ["a"])
    with pytest.raises(ConfigError, match="the tokenizer has 11 sub-words, the encoder 7"):
        with_tokenizer(model, word_piece(), EncoderSpec("x"))
    with pytest.raises(ConfigError, match="another vocabulary"):
        check_tokenizer(word_piece(), tokenizer, "x")
    check_tokenizer(None, tokenizer, "x")
