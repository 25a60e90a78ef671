"""Built-in plugins, one file each, loaded the same way as third-party ones.

A file here is a plugin; a name that begins with `_` is a part of one. A plugin imports `outlay.plugin` and
`outlay.core` only.
"""
