"""From stored scores to one verdict an input."""

from nemo_curator.runs.deciding.decide import Funnel, Policy, check_policy, decide, preview
from nemo_curator.runs.deciding.rules import Quantile, Rule, parse_rule

__all__ = ["Funnel", "Policy", "Quantile", "Rule", "check_policy", "decide", "parse_rule", "preview"]
