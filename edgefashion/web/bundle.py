"""The bundle: onnxruntime-web as pages carry it, packed once and kept in the cache.

It holds two builds, each a script and a WebAssembly binary. The plain one runs in every browser, on the processor; the
other also on WebGPU and WebNN, where the browser's WebAssembly can wait for promises. They share much of their code:
LZMA over both needs as much room as gzip over the second alone, which is what lets a page hold them in 7 MB.
"""

from dataclasses import dataclass, field
from pathlib import Path

from edgefashion.data import cache_folder
from edgefashion.errors import BadInput, NotAvailable
from edgefashion.files import check_seal, read_bounded, seal, sha256
from edgefashion.records.base import decode, encode_unsealed
from edgefashion.records.web import BundleHeader

VERSION = "1.30.0"
# Of the four files below, one after the other, as npm's package of that version has them.
UNPACKED_SHA256 = "42ac463ecc1e5fcde68c0bba08c4d5959b03f49eb6b54aa25cac624d3b0c3985"
BUILDS = (
    ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
)
BUILD_COMMAND = "python -m edgefashion.web.build"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        header: What it says about itself.
        packed: Both builds as raw LZMA.
    """

    header: BundleHeader
    packed: bytes = field(repr=False)


def bundle_path() -> Path:
    """Where the bundle of the pinned version lies, whether or not it is there."""
    return cache_folder().with_name("web") / f"onnxruntime-web-{VERSION}.bundle"


def find_bundle() -> Bundle:
    """The bundle in the cache.

    Raises:
        NotAvailable: It was never built, or for another version; the message says what builds it.
        BadInput: It is damaged.
    """
    path = bundle_path()
    if not path.is_file():
        raise NotAvailable(
            f"a page carries onnxruntime-web {VERSION}, which is not in {path.parent}: `{BUILD_COMMAND}` fetches it "
            "with npm and packs it"
        )
    head, _, packed = read_bounded(path).partition(b"\n")
    check_seal(head, path)
    header = decode(head, BundleHeader, path)
    if header.unpacked_sha256 != UNPACKED_SHA256:
        raise NotAvailable(f"{path} was built from other files than those that are pinned: `{BUILD_COMMAND}`")
    if sha256(packed) != header.packed_sha256:
        raise BadInput(f"{path} is damaged: remove it, then `{BUILD_COMMAND}`")
    return Bundle(header, packed)


def pack(builds: list[tuple[bytes, bytes]]) -> bytes:
    """A bundle of scripts and binaries, build after build.

    Raises:
        BadInput: They are not the files that are pinned.
    """
    import lzma

    unpacked = b"".join(part for build in builds for part in build)
    digest = sha256(unpacked)
    if digest != UNPACKED_SHA256:
        raise BadInput(f"the files of onnxruntime-web have SHA-256 {digest}: expected {UNPACKED_SHA256}")
    # The decoder in page/lzma.js expects lc = 4 and lp = pb = 0. The dictionary reaches from one build into the other.
    settings = {"dict_size": 2**26, "lc": 4, "lp": 0, "pb": 0, "nice_len": 273, "mf": lzma.MF_BT4}
    filters = [{"id": lzma.FILTER_LZMA1, "mode": lzma.MODE_NORMAL, **settings}]
    packed = lzma.compress(unpacked, lzma.FORMAT_RAW, filters=filters)
    header = BundleHeader(
        version=VERSION,
        parts=[(len(script), len(binary)) for script, binary in builds],
        unpacked_sha256=digest,
        packed_sha256=sha256(packed),
    )
    return seal(encode_unsealed(header)) + b"\n" + packed
