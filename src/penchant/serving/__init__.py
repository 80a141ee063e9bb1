"""The service: events in, recommendations out."""
