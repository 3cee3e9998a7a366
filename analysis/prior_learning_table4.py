"""Table 4 of "Prior Learning in Introspective VAEs": estimators of the KL divergence, and settings.

introsearch run search_spaces/2d_best.yaml
python analysis/prior_learning_table4.py --published
"""

from common import print_table

from introsearch.papers.tables import paper_table, published_table

METRICS = ("gnelbo_e7", "hist_kl_paper", "hist_jsd_paper")
COLUMNS = {
    "grid_cf": "grid search, closed form",
    "grid_mc": "grid search, Monte Carlo",
    "dt_cf": "Daniel and Tamar, closed form",
    "dt_mc": "Daniel and Tamar, Monte Carlo",
}

if __name__ == "__main__":
    print_table(
        __doc__,
        study="2d-best",
        ours=lambda result, fmt: paper_table(result, metrics=METRICS, names=COLUMNS, fmt=fmt),
        published=lambda result, fmt: published_table(
            result, metrics=METRICS, published="prior_learning_table4", source="paper", fmt=fmt
        ),
    )
