"""From recorded trials to choices, statistics, tables, the report, and where a study stands."""
