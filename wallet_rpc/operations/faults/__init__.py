"""Methods with which a test asks a development server for faults; `catalogue.py` lists them."""
