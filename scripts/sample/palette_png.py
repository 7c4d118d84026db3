"""Writes numbers as a palette PNG, as DAVIS keeps masks: 8 bits a pixel and the 256 colours of PASCAL VOC."""

import struct
import zlib


def voc_palette():
    """Bits 0, 1, 2 of the number go to red, green and blue from the top bit down, then bits 3, 4, 5, then 6 and 7."""
    palette = bytearray()
    for number in range(256):
        for channel in range(3):
            palette.append(sum((number >> (3 * level + channel) & 1) << (7 - level) for level in range(3)))
    return bytes(palette)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write(path, numbers):
    """`numbers` is a uint8 array of shape [height, width]."""
    height, width = numbers.shape
    rows = b"".join(b"\0" + row.tobytes() for row in numbers)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", voc_palette()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts))
