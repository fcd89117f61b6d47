"""Fitted estimators as files of C."""
