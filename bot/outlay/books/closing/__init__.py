"""Close a month: freeze its figures, keep later changes as adjustments, audit both."""
