"""Stages that read and write images."""
