"""The report of a run: gathered from verdicts, written as JSON, a receipt and one page that needs nothing else."""
