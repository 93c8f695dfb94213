"""What of the pages is not run as it stands, each with a reason. The tests find an entry that no page has any more."""

INSTALLS = "it installs packages"
REPOSITORY = "it works on the repository itself, or sets it up"
NETWORK = "it needs a network"
FRAGMENT = "it shows part of a recipe that names what only its reader has"

NOT_RUN = {
    ("how-to/develop", ""): REPOSITORY,
    ("how-to/get-models", "pip install"): INSTALLS,
    ("how-to/get-models", "imagecurator models get"): NETWORK,
    ("how-to/see-where-time-goes", "pip install"): INSTALLS,
    ("how-to/see-where-time-goes", "imagecurator run"): "py-spy may not look at processes everywhere: tests/cli/test_profile.py",
    ("how-to/use-a-gpu", "pip install"): INSTALLS,
    ("how-to/use-a-gpu", "from nemo_curator.models.numerics"): "it needs a CUDA device",
    ("how-to/use-a-gpu", "python -m pytest"): "it needs a CUDA device",
    ("how-to/use-a-gpu", "python benchmarks/"): "it needs a CUDA device",
    ("how-to/write-a-filter", ""): "tests/ground/test_write_a_filter.py follows it",
    ("tutorial/index", "make setup"): REPOSITORY,
    ("tutorial/index", "make demo"): "the demo is there already: tests/cli/test_demo.py",
    ("tutorial/index", "source .venv"): REPOSITORY,
}
"""(Page, what the snippet begins with) to the reason why it is not run."""

ENDS_WITH = {
    ("how-to/decontaminate", "imagecurator decontaminate finished --protect demo/input/photos"): 10,
    ("how-to/run-within-a-memory-budget", "imagecurator score photos/ run/ --memory 1500MB"): 2,
}
"""(Page, the command) to the exit code that it is there to show; every other command ends with 0."""


def reason(page: str, text: str) -> str:
    """Why a snippet is not run, or "" for one that is."""
    return next((why for (name, begins), why in NOT_RUN.items() if name == page and text.startswith(begins)), "")
