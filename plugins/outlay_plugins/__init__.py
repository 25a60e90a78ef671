"""The plugins that come with Outlay, one file each, loaded through the same door as a stranger's.

A file here is a plugin; a name that begins with `_` is a part of one. A plugin imports `outlay.plugin` and
`outlay.core` only.
"""
