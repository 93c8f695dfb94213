"""img2dataset's downloader: a list of URLs to WebDataset tars, bytes as they came; prints the seconds.

`img2dataset_download.py LIST OUTPUT PROCESSES THREADS`.
"""

from __future__ import annotations

import sys
import time


def main() -> None:
    """Download."""
    from img2dataset import download

    began = time.perf_counter()
    download(
        url_list=sys.argv[1],
        output_folder=sys.argv[2],
        processes_count=int(sys.argv[3]),
        thread_count=int(sys.argv[4]),
        input_format="parquet",
        url_col="url",
        caption_col="caption",
        output_format="webdataset",
        resize_mode="no",
        disable_all_reencoding=True,
        number_sample_per_shard=1000,
        retries=2,
    )
    sys.stderr.write(f"SECONDS {time.perf_counter() - began}\n")


if __name__ == "__main__":
    main()
