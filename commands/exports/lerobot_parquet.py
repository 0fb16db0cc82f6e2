"""Rows of a LeRobotDataset as parquet: schema, tables, and files of a bounded size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def rows_of(
    features: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    encoded: Mapping[str, list[bytes]],
) -> Any:
    """One episode's rows as a `pyarrow.Table`.

    Args:
        features: As `info.json` has them; videos are no part of the rows.
        arrays: Numbers by feature, (T, n) or (T,), of the features' types.
        encoded: Images by feature, T of them, as files' bytes.
    """
    import pyarrow as pa

    schema, columns = schema_of(features), []
    for field in schema:
        if field.name in encoded:
            rows = [{"bytes": data, "path": None} for data in encoded[field.name]]
            columns.append(pa.array(rows, field.type))
        elif pa.types.is_fixed_size_list(field.type):
            flat = pa.array(np.ascontiguousarray(arrays[field.name]).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size))
        else:
            columns.append(pa.array(arrays[field.name].reshape(-1), field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def schema_of(features: Mapping[str, Any]) -> Any:
    """The rows' schema, with what Hugging Face's `datasets` keeps beside it."""
    import pyarrow as pa

    fields, told = [], {}
    for name, feature in features.items():
        kind, size = feature["dtype"], feature["shape"][0]
        if kind == "video":
            continue
        if kind == "image":
            of = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            told[name] = {"_type": "Image"}
        else:
            of = pa.bool_() if kind == "bool" else getattr(pa, kind)()
            told[name] = {"dtype": kind, "_type": "Value"}
            if size > 1:
                told[name] = {"feature": told[name], "length": size, "_type": "Sequence"}
                of = pa.list_(of, size)
        fields.append(pa.field(name, of))
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": told}})})


class ParquetFiles:
    """Parquet files of one pattern, a new one when the old one is large enough.

    Args:
        folder: The dataset's.
        pattern: Of the files' paths, with `chunk_index` and `file_index` in it.
        per_chunk: Files in a chunk's folder.
        largest: From this size on, bytes, the next rows go into a new file.
    """

    def __init__(self, folder: Path, pattern: str, per_chunk: int, largest: int) -> None:
        self._folder, self._pattern = folder, pattern
        self._per_chunk, self._largest = per_chunk, largest
        self._number = 0
        self._sink: Any = None
        self._writer: Any = None

    def place(self) -> tuple[int, int]:
        """Chunk and file of the next rows."""
        if self._writer is not None and self._sink.tell() >= self._largest:
            self.close()
            self._number += 1
        return divmod(self._number, self._per_chunk)

    def write(self, table: Any) -> tuple[int, int]:
        """Append rows as one row group, and tell chunk and file."""
        import pyarrow.parquet as pq

        chunk, file = self.place()
        if self._writer is None:
            path = self._folder / self._pattern.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = open(path, "wb")
            self._writer = pq.ParquetWriter(self._sink, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        return chunk, file

    def close(self) -> None:
        """Finish the open file; closing again does no harm."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                writer.close()
            finally:
                self._sink.close()
