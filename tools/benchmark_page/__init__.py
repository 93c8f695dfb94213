"""Run benchmarks, and renew the figures of the page of benchmarks from their results."""
