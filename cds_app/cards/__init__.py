"""From concerns and reasons to the cards a clinician reads: service definitions, alert policy, wording, wire format."""
