"""From SHAP attributions to reasons a clinician can read."""
