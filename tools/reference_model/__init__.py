"""The files that `gridcall simulate` must write, worked out a second time.

Each row comes straight from its record, without events or clocks. The model shares no code with
the product, so that the two agree only by reading the same contract. It checks no map and no
profile, and gives no reasons for rejections. It leaves out the summary's `log`, whose digests only
the product knows.
"""
