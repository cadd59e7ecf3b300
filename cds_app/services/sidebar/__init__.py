"""The sidebar: a twin opened for a visit, its pages, and what is decided there."""
