"""SMART App Launch and Backend Services: issuers, launches, visits, their tokens, and our own keys."""
