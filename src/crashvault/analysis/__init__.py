"""What many events say together: clusters, stand-outs, bursts, suspects, impact; reviews, summaries and model providers."""
