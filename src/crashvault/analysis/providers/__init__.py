"""Language models behind one interface: each file knows how one service is asked and what its answers look like."""
