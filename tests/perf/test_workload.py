"""What is timed has the sizes that the tables name."""

from __future__ import annotations

import pytest

from perf.workload import ENCODERS, VOCABULARY, encoder


@pytest.mark.parametrize("name", ["tiny", "6x384"])
def test_an_encoder_has_the_layers_and_the_vocabulary_of_its_name(name):
    found, spec = encoder(name), ENCODERS[name]
    assert found.hidden == spec.hidden
    assert sum("attention.self.query.weight" in n for n, _ in found.model.named_parameters()) == spec.layers
    words = found.model.get_input_embeddings().num_embeddings
    assert words == (len(found.tokenizer) if name == "tiny" else VOCABULARY)
