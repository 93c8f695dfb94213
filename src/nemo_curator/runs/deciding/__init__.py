"""From stored scores to one verdict an input."""

from nemo_curator.runs.deciding.comparison import (
    ChangedImage,
    Comparison,
    Decision,
    Transition,
    changed_images,
    compare,
    ids_of_one,
)
from nemo_curator.runs.deciding.decide import check_policy, decide, preview
from nemo_curator.runs.deciding.explanation import AN_ID_IS, Explanation, RuleAnswer, explain_row
from nemo_curator.runs.deciding.funnel import Funnel
from nemo_curator.runs.deciding.id_lists import IdList, read_id_list
from nemo_curator.runs.deciding.known_bad import KnownMatch
from nemo_curator.runs.deciding.near import Near, near_kinds
from nemo_curator.runs.deciding.policy import Alike, Copies, KnownBad, Policy, Sample, Skipped, Split
from nemo_curator.runs.deciding.row_answers import RowAnswers
from nemo_curator.runs.deciding.rules import Quantile, Rank, Rule, parse_rule
from nemo_curator.runs.deciding.skipped import needed_of_all, refuse_search
from nemo_curator.runs.deciding.thresholds import RuleWarning
from nemo_curator.runs.deciding.verdicts import SCHEMA

__all__ = [
    "AN_ID_IS",
    "SCHEMA",
    "Alike",
    "ChangedImage",
    "Comparison",
    "Copies",
    "Decision",
    "Explanation",
    "Funnel",
    "IdList",
    "KnownBad",
    "KnownMatch",
    "Near",
    "Policy",
    "Quantile",
    "Rank",
    "RowAnswers",
    "Rule",
    "RuleAnswer",
    "RuleWarning",
    "Sample",
    "Skipped",
    "Split",
    "Transition",
    "changed_images",
    "check_policy",
    "compare",
    "decide",
    "explain_row",
    "ids_of_one",
    "near_kinds",
    "needed_of_all",
    "parse_rule",
    "preview",
    "read_id_list",
    "refuse_search",
]
