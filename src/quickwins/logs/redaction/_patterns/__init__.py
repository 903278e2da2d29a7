"""What private data looks like inside a text: one function for each rule, from a text to spans. Pure.

Theory: every pattern costs time in proportion to the length, whatever the text. That holds when

1. a match cannot be tried twice over the same characters: what begins with a run of characters has a lookbehind that
   refuses to start inside of such a run, and runs are possessive (`++`), so that a failure gives nothing back;
2. or what may be tried again is bounded by a small number.

The trap is a run whose lookbehind knows fewer characters than the run itself. `benchmarks/logs/redaction.py` doubles
the length of hostile texts and checks the ratio of the times.

Each function may yield spans that overlap; the caller merges them. What stands between `[redacted` and `]` is never
matched, so that a text that went through once goes through unchanged.
"""
