"""Charts and tables from result files to one self-contained HTML page and Markdown."""

from gammapo.report.benchmark import benchmark_page, benchmark_report
from gammapo.report.demo import demo_report
from gammapo.report.page import Page
from gammapo.report.run import run_report
from gammapo.report.terminal import terminal_table

__all__ = ["Page", "benchmark_page", "benchmark_report", "demo_report", "run_report", "terminal_table"]
