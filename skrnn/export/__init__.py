"""Fitted estimators as programs for other machines."""
