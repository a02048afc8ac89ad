"""The schema's history, run by `imageflow_clients.database.migrating`. A file is `versions/NNNN_what.py`."""
