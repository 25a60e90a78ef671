"""A process of its own that turns Vega-Lite into PNG. Run as a file, so that nothing of the bot is loaded in it.

The library behind it holds the interpreter's lock for a quarter of a second a chart, which in the bot's process would
stop everything else. Read from stdin: four bytes of length and a specification as JSON. Written to stdout: one byte (0:
a picture, 1: what was wrong), four bytes of length, and that. It ends when stdin does. It has no network to ask: data
that a specification points to elsewhere is refused.
"""

import os
import struct
import sys
from typing import BinaryIO

SCALE = 2.0
NICE = 10  # whoever answers people comes first


def main(source: BinaryIO, sink: BinaryIO) -> None:
    """Answers until there is nothing more to read."""
    import vl_convert

    while len(head := source.read(4)) == 4:
        (length,) = struct.unpack(">I", head)
        specification = source.read(length).decode()
        try:
            status, found = 0, vl_convert.vegalite_to_png(specification, scale=SCALE, allowed_base_urls=[])
        except ValueError as error:
            status, found = 1, str(error).encode()[:2_000]
        sink.write(struct.pack(">BI", status, len(found)) + found)
        sink.flush()


if __name__ == "__main__":
    os.nice(NICE)
    main(sys.stdin.buffer, sys.stdout.buffer)
