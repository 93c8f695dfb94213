"""Stages that give images embeddings."""
