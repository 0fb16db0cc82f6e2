"""Which group moves a set of data into itself: found by flow matching, tested, and verified."""
