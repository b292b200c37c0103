"""In: the inputs of lines, frame by frame, with `now`. Out: zstd segments that survive kill -9, and the same records back.
Has no clock, loop or socket; waits for the disk only in `flush` and in the reader. May import: `errors`, none of our packages.
"""

from okex_ws.journal.captures import dialects_of
from okex_ws.journal.errors import (
    ForeignFileError,
    JournalError,
    JournalFullError,
    LockedError,
    RecordTooLongError,
    StorageFailedError,
    UnknownFormatError,
)
from okex_ws.journal.lock import FolderLock
from okex_ws.journal.problems import Problem
from okex_ws.journal.reader import JournalReader, read_header
from okex_ws.journal.records import INCOMING, Record
from okex_ws.journal.recovery import recover
from okex_ws.journal.segment import Batch
from okex_ws.journal.segment_files import recorders
from okex_ws.journal.storage import OsStorage, Storage
from okex_ws.journal.writer import JournalWriter

__all__ = [
    "INCOMING",
    "Batch",
    "FolderLock",
    "ForeignFileError",
    "JournalError",
    "JournalFullError",
    "JournalReader",
    "JournalWriter",
    "LockedError",
    "OsStorage",
    "Problem",
    "Record",
    "RecordTooLongError",
    "Storage",
    "StorageFailedError",
    "UnknownFormatError",
    "dialects_of",
    "read_header",
    "recorders",
    "recover",
]
