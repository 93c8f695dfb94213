"""What of the pages is not run as it stands, each with a reason. The tests find an entry that no page has any more."""

INSTALLS = "it installs packages"
REPOSITORY = "it works on the repository itself, or sets it up"
NETWORK = "it needs a network"
CLUSTER = "it needs a cluster: tests/backends/ray_data/test_daemons.py"
PROFILE = "py-spy may not look at processes everywhere: tests/cli/test_profile.py"

NOT_RUN = {
    ("how-to/develop", ""): REPOSITORY,
    ("how-to/fetch-a-list-of-urls", ""): "it needs the web: tests/fetching and tests/cli/test_fetch.py",
    ("how-to/get-models", "pip install"): INSTALLS,
    ("how-to/get-models", "imagecurator models get"): NETWORK,
    ("how-to/load-the-result", "pip install"): INSTALLS,
    ("how-to/run-on-many-hosts", ""): "it tells of several hosts: tests/cli/test_shards.py",
    ("how-to/run-on-ray", ""): CLUSTER,
    ("how-to/see-where-time-goes", "pip install"): INSTALLS,
    ("how-to/see-where-time-goes", "imagecurator run"): PROFILE,
    ("how-to/use-a-gpu", "pip install"): INSTALLS,
    ("how-to/use-a-gpu", "from nemo_curator.models.numerics"): "it needs a CUDA device",
    ("how-to/use-a-gpu", "python -m pytest"): "it needs a CUDA device",
    ("how-to/use-a-gpu", "python benchmarks/"): "it needs a CUDA device",
    ("how-to/use-object-storage", ""): "it needs a store: tests/objects",
    ("how-to/view-a-run", ""): "it goes on until it is stopped: tests/cli/test_view.py",
    ("how-to/write-a-filter", ""): "tests/ground/test_write_a_filter.py follows it",
    ("tutorial/index", "make setup"): REPOSITORY,
    ("tutorial/index", "make demo"): "the demo is there already: tests/cli/test_demo.py",
    ("tutorial/index", "source .venv"): REPOSITORY,
}
"""(Page, what the snippet begins with) to the reason why it is not run."""

ON_THEIR_OWN = {
    ("how-to/load-the-result", "import io\n\nimport webdataset"): "webdataset",
    ("how-to/load-the-result", "import io\n\nimport numpy"): "torch",
    ("how-to/load-the-result", "import io\n\nfrom PIL"): "streaming",
    ("how-to/load-the-result", "from pathlib import Path"): "torch",
    ("how-to/load-the-result", "from datasets import"): "datasets",
    ("how-to/load-the-result", "import mlcroissant"): "mlcroissant",
}
"""(Page, what the program begins with) to the package without which it is left out.

Each has a process of its own, as a reader's script has: these packages are slow to import, and warn of files that they
leave open.
"""

ENDS_WITH = {
    ("how-to/decontaminate", "imagecurator decontaminate finished --protect demo/input/photos"): 10,
    ("how-to/run-within-a-memory-budget", "imagecurator score photos/ run/ --memory 1500MB"): 2,
}
"""(Page, the command) to the exit code that it is there to show; every other command ends with 0."""


def reason(page: str, text: str) -> str:
    """Why a snippet is not run, or "" for one that is."""
    return _of(NOT_RUN, page, text)


def package(page: str, text: str) -> str:
    """The package for which a program has a process of its own, or "" for one that has none."""
    return _of(ON_THEIR_OWN, page, text)


def _of(table: dict[tuple[str, str], str], page: str, text: str) -> str:
    """The entry of a table that is about a snippet, or ""."""
    return next((entry for (name, begins), entry in table.items() if name == page and text.startswith(begins)), "")
