"""From stored hashes and embeddings to the pairs of images that are near each other, found once and kept in the run."""
