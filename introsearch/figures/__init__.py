"""Drawing: from plain numbers to figures. No torch."""
