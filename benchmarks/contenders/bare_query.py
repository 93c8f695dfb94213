"""The limit of deciding: the same five rules and duplicates as one DuckDB query, with no position, reason or check."""

from __future__ import annotations

import sys

import duckdb


def main(parts: str, output: str) -> None:
    """Read the columns, compare, group, write id and verdict."""
    duckdb.execute(f"""
        COPY (
            WITH limits AS (
                SELECT quantile_disc(sharpness, 0.05) AS blurred, quantile_disc(entropy, 0.1) AS plain
                FROM '{parts}/*.parquet' WHERE error IS NULL),
            judged AS (
                SELECT image_id, sha256, width * height AS area, CASE
                    WHEN error IS NOT NULL THEN 'quarantine'
                    WHEN least(width, height) < 64 THEN 'small' WHEN nsfw_score >= 0.8 THEN 'nsfw'
                    WHEN dark_share > 0.9 OR brightness < 0.02 THEN 'dark'
                    WHEN sharpness < limits.blurred THEN 'blurred' WHEN entropy < limits.plain THEN 'plain' END AS rule
                FROM '{parts}/*.parquet', limits)
            SELECT image_id, rule, CASE WHEN rule IS NULL THEN first_value(image_id) OVER (
                PARTITION BY sha256, rule IS NULL ORDER BY area DESC, image_id) END AS best
            FROM judged
        ) TO '{output}' (FORMAT parquet, COMPRESSION zstd)
    """)  # noqa: S608  (two paths of our own)


if __name__ == "__main__":
    main(*sys.argv[1:3])
