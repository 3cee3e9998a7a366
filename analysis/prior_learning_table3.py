"""Table 3 of "Prior Learning in Introspective VAEs": the settings that the 2D search chose.

introsearch run search_spaces/2d_grid.yaml
python analysis/prior_learning_table3.py --published
"""

from common import print_table

from introsearch.papers.tables import settings_table

PARAMETERS = ("beta_rec", "beta_kl", "beta_neg")

if __name__ == "__main__":
    print_table(
        __doc__,
        study="2d-grid",
        ours=lambda result, fmt: settings_table(
            result, parameters=PARAMETERS, published="", fmt=fmt
        ),
        published=lambda result, fmt: settings_table(
            result, parameters=PARAMETERS, published="prior_learning_table3", fmt=fmt
        ),
    )
