"""Bytes to pixels and back.

`probe` reads a header without decoding, `limits` refuses what is too large before anything is allocated, `decode`
gives upright RGB, `views` cuts what stages asked for, `encode` writes pictures that have no bytes of their own. Every
failure is a `SampleError`: one sentence about one image.
"""
