"""The retail benchmark: real after-sales tasks, and bad proposals, through the whole runtime.

A scripted model proposes what each task records, over HTTP as a real model would; scripted
people answer; the shop's records are compared with what the task expects.
"""
