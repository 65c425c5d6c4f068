"""A polite downloader of many pictures into one folder: bounded, resumable, and wary of what servers say."""

from data_prep.download.fetcher import Fetched, fetch
from data_prep.download.ledger import LEDGER
from data_prep.download.limits import Limits

__all__ = ["LEDGER", "Fetched", "Limits", "fetch"]
