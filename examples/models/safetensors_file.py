"""Files of weights that the training scripts of the examples write and read."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import torch

DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


def write_safetensors(path, tensors, metadata):
    """8-byte little-endian header length, JSON header, data; replaced in one step."""
    header, blobs, at = {"__metadata__": {k: str(v) for k, v in metadata.items()}}, [], 0
    for name, value in tensors.items():
        array = value.detach().contiguous().numpy()
        blob = array.tobytes()
        header[name] = {"dtype": next(k for k, d in DTYPES.items() if d == array.dtype),
                        "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = Path(f"{path}.part")
    part.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    os.replace(part, path)


def halves(tensors):
    return {name: value.half() for name, value in tensors.items()}


def read_safetensors(path):
    """The tensors, those in half precision as float, and the metadata."""
    data = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + x for x in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
        if entry["dtype"] == "F16":
            tensors[name] = tensors[name].float()
    return tensors, metadata
