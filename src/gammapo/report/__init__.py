"""Charts and tables from result files to one self-contained HTML page and Markdown."""

from gammapo.report.demo import demo_report
from gammapo.report.page import Page
from gammapo.report.terminal import terminal_table

__all__ = ["Page", "demo_report", "terminal_table"]
