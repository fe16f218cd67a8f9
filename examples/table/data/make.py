#!/usr/bin/env python3
"""Writes the CSV files of this folder from the data sets of three Debian packages of R.

    python3 make.py [FOLDER (this one)]

Needs apt-get and dpkg, and neither R nor root: the packages are fetched and unpacked in a temporary
folder, and R's serialised objects are read here. Done once; the results are committed.
"""

import bz2
import gzip
import lzma
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

WANTED = {  # file: (package, folder of R's library, data set)
    "diamonds.csv": ("r-cran-ggplot2", "site-library/ggplot2", "diamonds"),
    "churn.csv": ("r-cran-modeldata", "site-library/modeldata", "wa_churn"),
    "schools.csv": ("r-cran-nlme", "library/nlme", "MathAchSchool"),
    "pupils.csv": ("r-cran-nlme", "library/nlme", "MathAchieve"),
}
RENAMED = {"schools.csv": {"School": "school"}, "pupils.csv": {"School": "school"}}


class Reader:
    """R's serialisation in XDR form, versions 2 and 3: what data frames are made of."""

    NA_INT = -2147483648

    def __init__(self, data):
        self.data, self.at, self.refs = data, 0, []
        if data[:2] != b"X\n":
            raise ValueError("not R's XDR serialisation")
        self.at = 2
        version, _, _ = self.ints(3)
        if version == 3:
            (length,) = self.ints(1)
            self.at += length  # the native encoding's name
        elif version != 2:
            raise ValueError(f"serialisation version {version}")

    def ints(self, n):
        out = struct.unpack_from(f">{n}i", self.data, self.at)
        self.at += 4 * n
        return out

    def pairs(self, flags):
        """A pairlist as {tag: value}."""
        out = {}
        while True:
            kind = flags & 0xFF
            if kind == 254:
                return out
            if kind != 2:
                raise ValueError(f"a pairlist with type {kind}")
            if flags & 0x200:
                self.item()
            tag = self.item() if flags & 0x400 else len(out)
            out[tag] = self.item()
            (flags,) = self.ints(1)

    def item(self):
        (flags,) = self.ints(1)
        kind = flags & 0xFF
        if kind in (254, 242, 253, 251, 252, 241):  # NULL, environments, missing argument
            return None
        if kind == 255:
            index = flags >> 8 or self.ints(1)[0]
            return self.refs[index - 1]
        if kind == 1:
            self.refs.append(self.item())
            return self.refs[-1]
        if kind == 2:
            return self.pairs(flags)
        if kind == 6:  # a call, as the formula of a grouped data frame: read and forgotten
            if flags & 0x200:
                self.item()
            self.item()
            self.pairs(self.ints(1)[0])
            return None
        if kind == 3:  # a function, likewise
            for _ in range(4 if flags & 0x200 else 3):
                self.item()
            return None
        if kind == 4:  # an environment
            self.refs.append(None)
            self.ints(1)
            for _ in range(4):
                self.item()
            return None
        if kind == 247 or kind == 249:  # persistent names and namespaces
            _, n = self.ints(2)
            self.refs.append([self.item() for _ in range(n)])
            return None
        if kind == 9:
            (n,) = self.ints(1)
            if n == -1:
                return None
            raw = self.data[self.at : self.at + n]
            self.at += n
            return raw.decode("latin-1" if flags & 0x4000 else "utf-8")
        if kind == 238:  # a compact representation: only sequences of whole numbers
            info, state = self.item(), self.item()
            self.item()
            n, first, step = (int(v) for v in state["values"])
            if list(info.values())[0] not in ("compact_intseq", "compact_realseq"):
                raise ValueError(f"a compact {info}")
            return {"values": [first + step * i for i in range(n)], "attributes": {}}
        (n,) = self.ints(1)
        if kind in (10, 13):
            values = [None if v == self.NA_INT else v for v in self.ints(n)]
        elif kind == 14:
            raw = self.data[self.at : self.at + 8 * n]
            self.at += 8 * n
            values = list(struct.unpack(f">{n}d", raw))
        elif kind in (16, 19, 20):
            values = [self.item() for _ in range(n)]
        else:
            raise ValueError(f"an object of type {kind}")
        attributes = self.pairs(self.ints(1)[0]) if flags & 0x200 else {}
        return {"values": values, "attributes": attributes}


def names_of(item):
    return item["attributes"]["names"]["values"]


def load(folder, name):
    """A data set of a lazy-load data base."""
    index = Reader(gzip.decompress((folder / "Rdata.rdx").read_bytes())).item()
    variables = dict(zip(names_of(index), index["values"]))["variables"]
    offset, length = dict(zip(names_of(variables), variables["values"]))[name]["values"]
    chunk = (folder / "Rdata.rdb").read_bytes()[offset : offset + length]
    body = chunk[4:]
    if body[:1] in (b"2", b"Z"):
        unpacked = bz2.decompress(body[1:]) if body[:1] == b"2" else unpack_lzma(body[1:])
    else:
        unpacked = zlib.decompress(body)
    return Reader(unpacked).item()


def unpack_lzma(body):
    raw = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    return lzma.decompress(body, format=lzma.FORMAT_RAW, filters=raw)


def text(value):
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value == int(value) else repr(value)
    value = str(value)
    if any(c in value for c in ',"\n\r'):
        raise ValueError(f"a label that needs quotes: {value}")
    return value


def cells(column):
    levels = column["attributes"].get("levels")
    if levels:
        labels = levels["values"]
        return ["" if v is None else text(labels[v - 1]) for v in column["values"]]
    return [text(v) for v in column["values"]]


def write(path, frame, renamed):
    header = [renamed.get(n, n) for n in names_of(frame)]
    columns = [cells(c) for c in frame["values"]]
    lines = [",".join(header)] + [",".join(row) for row in zip(*columns)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(lines) - 1} rows, {len(header)} columns")


def main():
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for package in sorted({p for p, _, _ in WANTED.values()}):
            subprocess.run(["apt-get", "download", "-q", package], cwd=work, check=True)
        for deb in work.glob("*.deb"):
            subprocess.run(["dpkg", "-x", deb, work / "root"], check=True)
        for file, (_, folder, name) in WANTED.items():
            frame = load(work / "root/usr/lib/R" / folder / "data", name)
            write(target / file, frame, RENAMED.get(file, {}))


if __name__ == "__main__":
    main()
