"""Tables 2 and 5 of "Prior Learning in Introspective VAEs": priors on images.

    introsearch run search_spaces/images_entropy.yaml --download
    python analysis/prior_learning_table5.py --published

FID is compared with the published one only where it rests on the same features, those of the
Inception network (`feature_extractor: inception`).
"""

from common import print_table

from introsearch.papers.tables import paper_table, published_table

METRICS = (
    "responsibility_entropy", "fid_gen", "fid_rec", "svm_2k", "svm_10k", "knn_5", "knn_100",
)  # fmt: skip
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
            result, metrics=METRICS, published="prior_learning_table5", fmt=fmt
        ),
    )
