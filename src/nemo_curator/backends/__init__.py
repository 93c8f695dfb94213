"""Executors: where and when stages run, never what they do."""
