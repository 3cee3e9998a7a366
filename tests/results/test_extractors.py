import pandas as pd
import pytest

from introsearch.errors import ConfigError
from introsearch.results.extractors import extractors_of, extractors_text, with_extractors


def frame(*rows):
    return pd.DataFrame(rows, columns=["param.dataset", "extractor"])


def test_each_data_set_has_its_own():
    found = extractors_of(frame(("digits", "a 1"), ("digits", "a 1"), ("mnist", "b"), ("x", "")))
    assert found == {"digits": "a 1", "mnist": "b"}
    text = extractors_text(found)
    metrics = "fid_gen, fid_rec, kid_gen, precision_gen, recall_gen"
    assert text == f" {metrics} compare features of digits: a 1; mnist: b."
    asked = extractors_text(found, asked=["fid_gen_paper"])
    assert asked.startswith(f"{text} fid_gen_paper let it normalise each batch by itself")


def test_a_mixture_is_refused():
    with pytest.raises(ConfigError, match="runs on digits were judged by different") as caught:
        extractors_of(frame(("digits", "a"), ("digits", "b"), ("digits", "b")))
    assert "a: 1 runs" in caught.value.message
    assert "b: 2 runs" in caught.value.message


def test_studies_of_points_have_none():
    assert extractors_of(frame(("rings", ""))) == {}
    assert extractors_of(pd.DataFrame()) == {}
    assert extractors_text({}) == ""


def test_a_csv_names_them_beside_the_metrics_that_compare_features():
    runs = pd.DataFrame(
        [("c1", "digits", "a 1"), ("c2", "rings", "")],
        columns=["config_id", "param.dataset", "extractor"],
    )
    rows = [("c1", "fid_gen"), ("c1", "rec_test"), ("c2", "hist_kl"), (None, "fid_gen")]
    summary = pd.DataFrame(rows, columns=["config_id", "metric"])
    assert list(with_extractors(summary, runs)["extractor"]) == ["a 1", "", "", ""]
    assert with_extractors(summary, runs[1:]) is summary
