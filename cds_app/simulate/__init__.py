"""In-silico testing: what would happen to this patient under other doses and procedures. Pure; chance is passed in."""
