"""Download many pictures into one folder: politely, within limits, resumable, and without trusting the servers."""

from data_prep.download.fetcher import Fetched, fetch
from data_prep.download.ledger import LEDGER
from data_prep.download.limits import Limits

__all__ = ["LEDGER", "Fetched", "Limits", "fetch"]
