"""Tables 2 and 5 of "Prior Learning in Introspective VAEs": priors on images.

    introsearch run search_spaces/images_entropy.yaml --download
    python analysis/prior_learning_table5.py --published

Published numbers are compared with what is measured as they were, by metrics that end in `_paper`,
and FID only where it rests on the same features, those of the Inception network
(`feature_extractor: inception`). A study that does not ask for these metrics in `metrics` is
compared by all others.
"""

from common import print_table

from introsearch.papers.tables import paper_table, published_table

METRICS = (
    "responsibility_entropy", "fid_gen", "fid_rec", "svm_2k", "svm_10k", "knn_5", "knn_100",
)  # fmt: skip
PAPER = ("responsibility_entropy_paper", "fid_gen_paper", "fid_rec_paper")
NAMES = {"sg": "SG"} | {
    f"{prior}{number}{lc}": f"{heading}({number}){' LC' if lc else ''}"
    for prior, heading in (("mog", "MoG"), ("ip", "IP"))
    for number in (10, 100)
    for lc in ("", "_lc")
}

if __name__ == "__main__":
    print_table(
        __doc__,
        study="images-entropy",
        ours=lambda result, fmt: paper_table(result, metrics=METRICS, names=NAMES, fmt=fmt),
        published=lambda result, fmt: published_table(
            result,
            metrics=[name for name in (*PAPER, *METRICS) if name in result.metrics],
            published="prior_learning_table5",
            fmt=fmt,
        ),
    )
