"""Table 5 of "Prior Learning in Introspective VAEs": the weights of the entropy that were chosen.

introsearch run search_spaces/images_entropy.yaml --download
python analysis/prior_learning_table5_weights.py --published
"""

from common import print_table

from introsearch.papers.tables import settings_table

if __name__ == "__main__":
    print_table(
        __doc__,
        study="images-entropy",
        ours=lambda result, fmt: settings_table(
            result, parameters=("r_entropy",), published="", fmt=fmt
        ),
        published=lambda result, fmt: settings_table(
            result,
            parameters=("r_entropy",),
            published="prior_learning_table5_weights",
            fmt=fmt,
        ),
    )
