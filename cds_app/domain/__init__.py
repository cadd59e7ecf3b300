"""The words everybody uses: codes, units, times, facts and what is decided about them. No I/O."""
