"""From recorded runs to choices, tables and figures."""
