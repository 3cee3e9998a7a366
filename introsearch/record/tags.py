"""The tags of MLflow runs: plain words or JSON; nothing is read out of run names."""

LEVEL = "introsearch.level"  # study | configuration | seed
CONFIG_ID = "introsearch.config_id"
SEED = "introsearch.seed"
STATUS = "introsearch.status"
REASON = "introsearch.reason"
RUNGS = "introsearch.rungs"  # JSON: what rungs compare -> iteration -> value
DECISION = "introsearch.decision"
TRAINER = "introsearch.trainer"
SETTINGS = "introsearch.settings"  # JSON
MANNER = "introsearch.manner"  # JSON: what the worker was told beside settings and seed
GROUPS = "introsearch.groups"
VARIANTS = "introsearch.variants"
STAGE = "introsearch.stage"
CHOSEN = "introsearch.chosen_in"
SUGGESTED = "introsearch.suggested"  # JSON: how tpe came to a configuration
MODULE_FOLDERS = "introsearch.module_folders"  # JSON: of the study's own extensions
ITERATION = "introsearch.iteration"
EXTRACTOR = "introsearch.extractor"  # whose features fid_gen and its kin compare, to its weights

EXPANSION = "introsearch.expansion"  # tells whether the study file still leads to the same trials
STUDY_ARTIFACT = "study.json"
