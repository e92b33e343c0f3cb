"""What every delivery needs once: claiming, retrying, rate limits, templates, signing, sending."""
