"""What an image file says about who may use it, and where it comes from.

`reading.read_rights` is the door: the bytes of a file in, a frozen `Rights` out, whatever the bytes. `payloads`
collects what may speak (EXIF, XMP, IPTC, texts, C2PA manifest stores) from each format's own places; `exif_fields`,
`packet` and `manifests` read those, and `sources` puts them side by side; `reserved` and `generated` say which values
mean what, `evidence` where they are looked for.

Nothing is verified, fetched or interpreted as law: what a file says about itself is reported, no more.
"""
