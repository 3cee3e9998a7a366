"""Table 1 of "Prior Learning in Introspective VAEs": models and priors on the 2D benchmark.

introsearch run search_spaces/2d_grid.yaml
python analysis/prior_learning_table1.py --published
"""

from common import MODELS, print_table

from introsearch.papers.tables import paper_table, published_table

METRICS = ("gnelbo_e7", "hist_kl_paper", "hist_jsd_paper")

if __name__ == "__main__":
    print_table(
        __doc__,
        study="2d-grid",
        ours=lambda result, fmt: paper_table(result, metrics=METRICS, names=MODELS, fmt=fmt),
        published=lambda result, fmt: published_table(
            result, metrics=METRICS, published="prior_learning_table1", fmt=fmt
        ),
    )
