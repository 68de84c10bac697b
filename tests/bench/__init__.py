"""Speed on loopback: the bare loop, ours and ccxt.pro on the same frames in the same minutes.

Run `python -m tests.bench [--quick] [--rounds N] [--json FILE]`, or `python -m tests.bench venues`
for each venue; it prints tables in Markdown.
"""
