"""Webhook providers: what a notification looks like for each service. Pure: values in, requests out."""
