"""What a page is built from."""

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.base import SCHEMA, Record


class BundleHeader(Record, frozen=True):
    """The first line of a bundle: what the packed bytes behind it are."""

    version: str  # of onnxruntime-web
    parts: list[tuple[int, int]]  # bytes of script and of binary, build after build, as they lie in what is unpacked
    unpacked_sha256: str
    packed_sha256: str
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
